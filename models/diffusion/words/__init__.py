"""What the families of discrete diffusion share: texts in a frame, their networks' role, guidance
word by word, and the generator.

A text is START, its words, END and PAD. Its number of words comes first, from the control or drawn
from the training texts (:mod:`models.diffusion.words.frame`); noise then hits words alone, so that
what a family models is p(words | their number). A family is one file of ``models``: its loss, its
noise, its card.
"""
