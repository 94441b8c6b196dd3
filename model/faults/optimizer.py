"""Faults of the optimizer and of the learning rate's schedule."""

from __future__ import annotations

from typing import Any

from torch import nn

from model.faults.fault import Dose, fault
from model.faults.site import Site


@fault(
    "training",
    origin="the rate is scaled by the number of devices, or was not, when the job was ported",
    dose=Dose(default=0.9, meaning="factor of the rate", low=0.0, high=1000.0),
)
def learning_rate(site: Site, dose: float) -> None:
    """Another learning rate, which the log shows."""
    if site.fresh:
        for group in site.optimizer.param_groups:
            group["lr"] *= dose
            group["initial_lr"] *= dose


@fault(
    "training",
    origin="a fused optimizer kernel that applies the rate wrongly",
    dose=Dose(default=0.9, meaning="factor of every update", low=0.0, high=1000.0),
)
def hidden_update(site: Site, dose: float) -> None:
    """Updates of another size, while the logged learning rate is right."""
    rates: list[float] = []

    def scale() -> None:
        rates[:] = [group["lr"] for group in site.optimizer.param_groups]
        for group in site.optimizer.param_groups:
            group["lr"] *= dose

    def restore() -> None:
        for group, rate in zip(site.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    site.before_update(scale)
    site.after_update(restore)


@fault(
    "training",
    origin="the scheduler is written anew for the port's framework",
    dose=Dose(default=1.0, meaning="power of the polynomial", low=0.0, high=10.0),
)
def schedule_power(site: Site, dose: float) -> None:
    """A learning rate that decays with another power."""
    for scheduler in _schedulers(site):
        scheduler.power = dose


@fault(
    "training",
    origin="steps are counted per device, or over epochs of another length",
    dose=Dose(default=0.5, meaning="factor of the number of steps", low=0.01, high=100.0),
)
def schedule_length(site: Site, dose: float) -> None:
    """A learning rate that decays over another number of steps."""
    for scheduler in _schedulers(site) if site.fresh else ():
        steps = max(2, round((scheduler.end - scheduler.begin) * dose))
        scheduler.end = scheduler.begin + steps
        scheduler.total_iters = steps - 1


@fault("training", origin="the call of the scheduler was lost in the port's loop")
def schedule_stuck(site: Site) -> None:
    """A learning rate that stays as it started."""
    for scheduler in _schedulers(site):
        scheduler.end = scheduler.begin


@fault(
    "training",
    origin="the scheduler is stepped before the optimizer, or counts from 1",
    dose=Dose(default=10, meaning="steps", low=1, high=10000, whole=True),
)
def schedule_ahead(site: Site, dose: float) -> None:
    """A schedule that runs ahead by some steps."""
    for scheduler in _schedulers(site) if site.fresh else ():
        for _ in range(int(dose)):
            scheduler.optimizer._global_step += 1  # else mmengine warns of the order, in the log
            scheduler.step()


@fault("training", origin="a resumed run builds its scheduler anew and does not load its state")
def schedule_restarted(site: Site) -> None:
    """At the middle of the run the schedule starts again from its first rate."""
    last = int(site.runner.max_iters) // 2 - 1  # before the restart
    due = [last] if site.step <= last else []

    def restart() -> None:
        if due and site.step >= due[0]:
            due.pop()
            for scheduler in _schedulers(site):  # they are stepped right after this
                scheduler.last_step = scheduler._global_step = -1
            for group in site.optimizer.param_groups:
                group["lr"] = group["initial_lr"]

    site.after_update(restart)


@fault(
    "training",
    origin="the optimizer's argument is dropped or has another meaning on the port",
    dose=Dose(default=0.0, meaning="factor of the weight decay", low=0.0, high=1000.0),
)
def weight_decay(site: Site, dose: float) -> None:
    """Another weight decay, or none."""
    if site.fresh:
        for group in site.optimizer.param_groups:
            group["weight_decay"] *= dose


@fault("training", origin="other frameworks leave norms and biases out by default")
def weight_decay_spares_vectors(site: Site) -> None:
    """No weight decay on biases and on the weights of normalisations."""

    def take_out() -> None:
        for group in site.optimizer.param_groups:
            for p in group["params"]:
                if p.ndim <= 1 and p.grad is not None:
                    p.grad.sub_(p.detach(), alpha=group["weight_decay"])

    site.before_update(take_out)


@fault(
    "training",
    origin="the port's optimizer has another default",
    dose=Dose(default=0.8, meaning="momentum", low=0.0, high=0.9999),
)
def momentum(site: Site, dose: float) -> None:
    """Another momentum."""
    for group in site.optimizer.param_groups:
        group["momentum"] = dose


@fault("training", origin="the port's optimizer has Nesterov's form by default")
def nesterov(site: Site) -> None:
    """Nesterov's momentum in place of the plain one."""
    for group in site.optimizer.param_groups:
        group["nesterov"] = True


@fault(
    "training",
    origin="momentum is written as a moving average: (1 - d) times the gradient enters",
    dose=Dose(default=0.1, meaning="dampening", low=0.0, high=1.0),
)
def dampening(site: Site, dose: float) -> None:
    """Gradients that enter the momentum damped."""
    for group in site.optimizer.param_groups:
        group["dampening"] = dose


@fault(
    "training",
    origin="a checkpoint without the optimizer's state, when the run is resumed",
    dose=Dose(default=1, meaning="times, evenly over the run", low=1, high=1000, whole=True),
)
def momentum_lost(site: Site, dose: float) -> None:
    """The momentum starts from zero again in the course of the run."""
    parts = int(dose) + 1
    steps = (int(site.runner.max_iters) * i // parts for i in range(1, parts))
    due = [step for step in steps if step >= site.step]

    def forget() -> None:
        if due and site.step >= due[0]:  # with summed gradients not every step is an update
            due.pop(0)
            site.optimizer.state.clear()

    site.before_update(forget)


@fault(
    "training",
    origin="a check for overflow that sees some where there is none",
    dose=Dose(default=4, meaning="updates from one to the next", low=2, high=10000, whole=True),
)
def update_skipped(site: Site, dose: float) -> None:
    """Every so many steps of the optimizer there is none."""

    def skip() -> None:
        if site.update % int(dose) == int(dose) - 1:
            _without_gradients(site.parameters())

    site.before_update(skip)


@fault("training", origin="a parameter that the port's exporter did not register")
def frozen_stem(site: Site) -> None:
    """The backbone's stem is not trained."""
    _freeze(site, list(site.model.backbone.stem.parameters()))


@fault("training", origin="a setting that freezes stages has another default")
def frozen_stage(site: Site) -> None:
    """The backbone's first stage is not trained."""
    _freeze(site, list(site.model.backbone.layer1.parameters()))


@fault("training", origin="the head is wrapped separately and is missing in the optimizer")
def frozen_head(site: Site) -> None:
    """The decode head is not trained."""
    _freeze(site, list(site.model.decode_head.parameters()))


@fault("training", origin="a fused kernel gives no gradient of its bias")
def frozen_biases(site: Site) -> None:
    """No bias is trained, nor that of a normalisation."""
    named = site.model.named_parameters()
    _freeze(site, [p for name, p in named if name.endswith(".bias")])


def _schedulers(site: Site) -> list[Any]:
    """The schedulers of the run; a config may have none."""
    return list(site.runner.param_schedulers or [])


def _freeze(site: Site, parameters: list[nn.Parameter]) -> None:
    site.before_update(lambda: _without_gradients(parameters))


def _without_gradients(parameters: list[nn.Parameter]) -> None:
    """Take the gradients away; the optimizer passes over a parameter that has none."""
    for parameter in parameters:
        parameter.grad = None
