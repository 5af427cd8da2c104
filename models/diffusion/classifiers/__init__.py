"""Control classifiers on noisy latents (paper, appendix D; reference notes, sections 2.6 and 2.7).

``base`` holds what they share: reading latents and noise levels, training at random levels,
accuracy by level. ``chart`` (syntax spans and trees), ``tags`` (parts of speech) and ``attribute``
(semantic content) hold one network each, with its objective and its guides by the kind of control.
``kinds`` lists them, free of torch; ``training`` trains and loads them.
"""
