#!/usr/bin/env bash
# The first morning with control-bench: install it, then run this file in an empty folder. Targets,
# samples and trainings are few (targets=, samples=, floor=, train.steps=): about two minutes of one CPU core.
set -euo pipefail
# on one core; more are used where threads= says so
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
control-bench() {
  printf '\n$ control-bench %s\n' "$*"
  command control-bench "$@"
}

# 1. the comparison of the paper's methods under one control, with the networks that are shipped
control-bench run task=length method=all targets=4 samples=2 floor=4

# 2. a method of my own beside the stored baselines, and 3. against one of them, on equal targets
control-bench run task=length method="$here/retrieval.py" with=demo samples=5 floor=0 out=mine
control-bench compare demo:diffusion_lm mine:retrieval

# 4. a control of my own
control-bench generate task=length control=9 method=diffusion_lm,fudge samples=3 file=nine.jsonl

# 5. targets for another program, here one line of sed, and 6. the verdict on its texts
control-bench targets task=length file=targets.jsonl
sed -E 's/.*"id": "([^"]*)".*/{"target": "\1", "text": "The Vaults is a cheap place by the river ."}/' \
  targets.jsonl > texts.jsonl
control-bench score task=length samples=texts.jsonl name=river with=demo,mine out=river

# 7. texts and labels of my own, with networks so small that they are trained in seconds
for who in Mia Ben Zoe Tom; do
  for mood in happy sad calm angry; do
    for dish in soup bread cake pizza; do
      labels="\"fields\": {\"who\": \"$who\", \"mood\": \"$mood\", \"dish\": \"$dish\"}"
      echo "{\"text\": \"$who was $mood after the $dish.\", $labels}"
      echo "{\"text\": \"The $dish made $who $mood.\", $labels}"
    done
  done
done > moods.jsonl
control-bench run corpus=moods.jsonl task=semantic_content method=ft_sample,fudge targets=8 \
  samples=2 lm.train.steps=60 finetune.train.steps=60 discriminator.train.steps=60 \
  teacher.train.steps=60 out=moods

# 8. the page to read and to share
control-bench report run=mine out=report.html

printf '\n%d s in all; open report.html\n' "$SECONDS"
