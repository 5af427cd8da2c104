"""BERTScore by bert-score's own functions, with the settings that its figures hang on in the open
(reference notes 3.3).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.hub import pinned, revised
from tasks.metrics.text import detokenize
from tasks.texts import Words

#: seconds that the hub has to answer
PATIENCE = 3.0
#: a tokenizer says so, or more, where it knows no limit
UNLIMITED = 10**9
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
#: networks whose positions begin after the padding id
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")


class BertScore:
    """BERTScore's F1 under one network, layer and scaling, without idf weights.

    ``model``: a name on the hub, or a local folder with config, tokenizer and weights. ``layer``:
    whose output is compared; None: the one that bert-score chose for a model of that name.
    ``rescale``: (F - b) / (1 - b), b being bert-score's published F of unrelated English texts.

    Raises ``UserError`` for a model that is neither a folder nor in the hub's cache while the hub
    does not answer within seconds ("skipped: roberta-large not available ..."), a layer that is
    unknown or out of range, and a rescaling for which there is no baseline, as for every local
    folder. The network itself loads at the first use.
    """

    def __init__(
        self,
        model: str = "roberta-large",
        layer: int | None = None,
        rescale: bool = False,
        device: str = "cpu",
        batch: int = 64,
    ) -> None:
        self.rescale, self.device, self.batch = rescale, device, batch
        self.local = Path(model).is_dir()
        # bert-score knows layers and baselines by the name alone
        self.model = Path(model).resolve().name if self.local else revised(model)[0]
        self.revision = None if self.local else revised(model)[1]
        self._place = model if self.local else _place(self.model, self.revision)
        if rescale and self.local:
            raise UserError(
                f"BERTScore cannot be rescaled with the local folder {model}: baselines are "
                "published for names on the hub"
            )
        if layer is None:
            from bert_score.utils import model2layers  # type: ignore[import-untyped]

            layer = model2layers.get(self.model)
        if layer is None:
            raise UserError(f"bert-score knows no layer for the model '{self.model}': name one")
        self.layer = layer
        self._baseline = self._read_baseline() if rescale else 0.0

    def _read_baseline(self) -> float:
        import bert_score  # type: ignore[import-untyped]

        table = Path(str(bert_score.__file__)).parent / "rescale_baseline" / "en"
        path = table / f"{self.model}.tsv"
        if not path.is_file():
            raise UserError(f"bert-score has no baseline to rescale the model '{self.model}' by")
        rows = dict(line.split(",", 1) for line in path.read_text().split()[1:])
        if str(self.layer) not in rows:
            raise UserError(f"bert-score has no baseline of layer {self.layer} of '{self.model}'")
        return float(rows[str(self.layer)].split(",")[2])

    @cached_property
    def hash(self) -> str:
        """bert-score's own line of settings and versions; a folder's name goes with the digest of
        its weights. Two figures are comparable where their hashes are equal."""
        from bert_score.utils import get_hash

        at = self._digest() if self.local else self.revision
        name = f"{self.model}@{at}" if at else self.model
        return str(get_hash(name, self.layer, False, self.rescale, False, False))

    def _digest(self) -> str:
        sha = hashlib.sha256()
        for pattern in WEIGHTS:
            for path in sorted(Path(self._place).glob(pattern)):
                with open(path, "rb") as file:
                    while block := file.read(1 << 20):
                        sha.update(block)
        return sha.hexdigest()[:8]

    @cached_property
    def _network(self) -> tuple[Any, Any]:
        """Network and tokenizer."""
        from bert_score.utils import get_model
        from transformers import AutoConfig, AutoTokenizer

        try:
            place, options = pinned(self._place)
            config = AutoConfig.from_pretrained(place, **options)
            # bert-score asks for this at every call, which transformers 5 does not hear; only
            # tokenizers of RoBERTa's kind take any notice.
            tokenizer = AutoTokenizer.from_pretrained(place, add_prefix_space=True, **options)
            layers = getattr(config, "num_hidden_layers", self.layer)
            if not 0 <= self.layer <= layers:
                raise UserError(f"'{self.model}' has {layers} layers: none is layer {self.layer}")
            network = get_model(place, self.layer).to(self.device)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"skipped: {self.model} cannot be loaded ({reason})") from None
        if tokenizer.model_max_length > UNLIMITED:  # which overflows since transformers 5
            longest = getattr(config, "max_position_embeddings", 512)
            if config.model_type in OFFSET_POSITIONS:
                longest -= config.pad_token_id + 1
            tokenizer.model_max_length = longest
        return network, tokenizer

    def score(
        self, predictions: Sequence[Words], references: Sequence[Sequence[Words]]
    ) -> list[float]:
        """F1 of each prediction against the best of its references; 0 where it is empty. In about
        [0, 1], or below 0 too where rescaled."""
        texts = [detokenize(words) for words in predictions]
        pairs = [
            (i, text, other)
            for i, (text, humans) in enumerate(zip(texts, references, strict=True))
            for other in map(detokenize, humans)
            if text and other  # of which bert-score makes no tokens since transformers 5
        ]
        best: dict[int, float] = {}
        for (i, _, _), f1 in zip(pairs, self._f1([p[1:] for p in pairs]), strict=True):
            best[i] = max(f1, best.get(i, f1))
        return [best.get(i, 0.0) for i in range(len(texts))]

    def _f1(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        if not pairs:
            return []
        from bert_score.utils import bert_cos_score_idf

        network, tokenizer = self._network
        weights: defaultdict[int, float] = defaultdict(lambda: 1.0)
        weights |= {tokenizer.cls_token_id: 0.0, tokenizer.sep_token_id: 0.0}
        hypotheses, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        scores = bert_cos_score_idf(
            network,
            others,
            hypotheses,
            tokenizer,
            weights,
            device=self.device,
            batch_size=self.batch,
        )
        return [(f1 - self._baseline) / (1 - self._baseline) for f1 in scores[:, 2].tolist()]


def _place(model: str, revision: str | None = None) -> str:
    """The folder of a model in the hub's cache, or its name where the hub has it. Raises
    ``UserError`` where neither is so: asking takes seconds, and loading would take minutes to
    give up."""
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_url,
        snapshot_download,
        try_to_load_from_cache,
    )
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(model, "config.json", revision=revision)
        if isinstance(cached, str):
            folder = Path(cached).parent
            if any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
                return str(folder)
        url = hf_hub_url(model, "config.json", revision=revision)
        get_hf_file_metadata(url, timeout=PATIENCE)
        if revision:  # bert-score loads by name alone
            return snapshot_download(model, revision=revision)
    except HFValidationError:
        raise UserError(f"skipped: {model} not available: there is no such folder") from None
    except Exception:  # the hub's client has an error for each way of not getting there
        raise UserError(
            f"skipped: {model} not available (no folder, not in the hub's cache, and the hub does "
            "not give it)"
        ) from None
    return model
