"""A hook that begins mmengine's Runner from the same start."""

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.structures import BaseDataElement
from same_start import Log, begin, moved


class SameStart(Hook):
    """Loads the weights, states the first batch, and logs every step with all digits."""

    def __init__(self, log, weights, draw=0):
        self.path, self.weights, self.draw = log, weights, draw
        self.out, self.step = None, 0

    def before_train(self, runner):
        self.model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        begin(self.model, self.weights, self.draw)
        self.model.register_forward_pre_hook(self.before, with_kwargs=True)
        self.model.register_forward_hook(self.after, with_kwargs=True)
        runner.optim_wrapper.optimizer.register_step_post_hook(self.stepped)

    def before(self, model, positional, named):
        if named.get("mode") != "loss":
            return None
        named = dict(zip(("inputs", "data_samples"), positional, strict=False)) | named
        if self.out is None and is_main_process():
            labels = torch.cat([x.flatten() for x in tensors(named["data_samples"])])
            self.out = Log(self.path, model, [(named["inputs"], labels)], draw=self.draw)
        named["inputs"] = moved(named["inputs"], self.draw, self.step)
        return (), named

    def after(self, model, positional, named, output):
        if named.get("mode") == "loss":
            self.loss, _ = model.parse_losses(output)

    def stepped(self, *_):
        if self.out is not None:
            self.out.write(self.step, self.loss)
        self.step += 1


def tensors(tree):
    """Yields the tensors of lists, dicts and data samples."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, (dict, BaseDataElement)):
        for branch in tree.values():
            yield from tensors(branch)
    elif isinstance(tree, (list, tuple)):
        for branch in tree:
            yield from tensors(branch)
