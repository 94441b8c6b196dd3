"""The same start: a training whose beginning does not depend on the device.

Everything random is drawn by the host: the order and the augmentation of the samples (as in every
training), the initial weights, and the masks of dropout. The head of the step log states what the
start was, so that two logs can be compared from the first step on.
"""
