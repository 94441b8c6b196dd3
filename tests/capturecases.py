"""Small training steps of many kinds, which a replay must find healthy.

Each case returns a network and a function that makes one step of it. `CASES` lists them by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, rnn
from torch.utils.checkpoint import checkpoint

Step = Callable[[], None]
CASES: dict[str, Callable[[], tuple[nn.Module, Step]]] = {}


def case(make: Callable[[], tuple[nn.Module, Step]]) -> Callable[[], tuple[nn.Module, Step]]:
    CASES[make.__name__] = make
    return make


class Calls(nn.Module):
    """A network whose forward pass is a function of itself and the inputs."""

    def __init__(self, forward: Callable[..., Tensor], **modules: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.run = forward

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(self, *inputs)


def mean_square(output: Tensor) -> Tensor:
    return output.float().square().mean()


def trained(
    network: nn.Module, *inputs: Tensor, loss: Callable[[Tensor], Tensor] = mean_square, **options
) -> tuple[nn.Module, Step]:
    """Returns the network and a step of SGD with momentum."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, **options)

    def step() -> None:
        optimizer.zero_grad()
        loss(network(*inputs)).backward()
        optimizer.step()

    return network, step


class Block(nn.Module):
    """A transformer block: embedding, layer norm, attention of H heads, GELU."""

    def __init__(self, width: int = 32, heads: int = 4, words: int = 50) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(words, width)
        self.place = nn.Parameter(torch.randn(64, width) / 10)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.head = nn.Linear(width, words)
        self.mask: Tensor | None = None
        self.causal = False

    def attend(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=self.mask, is_causal=self.causal
        )
        return self.out(y.transpose(1, 2).reshape(n, length, width))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.place[: tokens.shape[1]]
        x = x + self.attend(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(x)


def block_step(block: Block, optimizer: type = torch.optim.AdamW, **options) -> tuple[Block, Step]:
    tokens = torch.randint(0, 50, (2, 16))
    chosen = optimizer(block.parameters(), lr=1e-3, **options)

    def step() -> None:
        chosen.zero_grad()
        logits = block(tokens[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        chosen.step()

    return block, step


@case
def transformer() -> tuple[nn.Module, Step]:
    return block_step(Block())


@case
def transformer_causal() -> tuple[nn.Module, Step]:
    block = Block()
    block.causal = True
    return block_step(block)


@case
def transformer_masked() -> tuple[nn.Module, Step]:
    block = Block()
    block.mask = torch.rand(15, 15) > 0.3
    block.mask |= torch.eye(15, dtype=torch.bool)
    return block_step(block)


@case
def transformer_float_mask() -> tuple[nn.Module, Step]:
    block = Block()
    block.mask = torch.full((15, 15), float("-inf")).triu(1)
    return block_step(block)


@case
def encoder_layer() -> tuple[nn.Module, Step]:
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
    return trained(layer, torch.randn(2, 8, 16))


@case
def multihead_with_padding() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        padding = torch.arange(8).expand(2, 8) >= torch.tensor([[8], [5]])
        return self.attention(x, x, x, key_padding_mask=padding)[0]

    network = Calls(forward, attention=nn.MultiheadAttention(16, 2, batch_first=True))
    return trained(network, torch.randn(2, 8, 16))


@case
def lstm() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0])

    network = Calls(forward, lstm=nn.LSTM(8, 16, 2, bidirectional=True), head=nn.Linear(32, 4))
    return trained(network, torch.randn(6, 3, 8))


@case
def gru_packed() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        packed = rnn.pack_padded_sequence(x, torch.tensor([6, 4, 2]))
        return rnn.pad_packed_sequence(self.gru(packed)[0])[0]

    return trained(Calls(forward, gru=nn.GRU(8, 16)), torch.randn(6, 3, 8))


@case
def convolutions_1d() -> tuple[nn.Module, Step]:
    network = nn.Sequential(
        nn.Conv1d(3, 8, 3), nn.ReLU(), nn.ConvTranspose1d(8, 8, 3, stride=2), nn.BatchNorm1d(8)
    )
    return trained(network, torch.randn(2, 3, 20))


@case
def convolutions_2d() -> tuple[nn.Module, Step]:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, groups=8, dilation=2, padding=2), nn.BatchNorm2d(8), nn.SiLU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, bias=False), nn.PReLU(4),
    )  # fmt: skip
    return trained(network, torch.randn(2, 3, 16, 16))


@case
def convolutions_channels_last() -> tuple[nn.Module, Step]:
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    images = torch.randn(2, 4, 12, 12)
    return trained(
        network.to(memory_format=torch.channels_last),
        images.to(memory_format=torch.channels_last),
    )


@case
def convolutions_3d() -> tuple[nn.Module, Step]:
    network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.ELU(), nn.AvgPool3d(2))
    return trained(network, torch.randn(2, 1, 8, 8, 8))


@case
def batch_norm_eval() -> tuple[nn.Module, Step]:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    network[1].running_var.uniform_(0.5, 2)
    network[1].running_mean.normal_()
    network[1].eval()
    return trained(network, torch.randn(2, 3, 8, 8))


@case
def other_norms() -> tuple[nn.Module, Step]:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True),
        nn.LocalResponseNorm(3), nn.Conv2d(8, 8, 1),
        nn.InstanceNorm2d(8, track_running_stats=True),
    )  # fmt: skip
    return trained(network, torch.randn(2, 3, 8, 8), loss=lambda y: (y**3).mean())


@case
def rms_norm() -> tuple[nn.Module, Step]:
    return trained(nn.Sequential(nn.Linear(8, 16), nn.RMSNorm(16)), torch.randn(4, 8))


@case
def pools_with_ties() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.first(x).round().relu()  # many equal elements
        parts = [
            functional.max_pool2d(x, 2), functional.avg_pool2d(x, 2),
            functional.adaptive_avg_pool2d(x, 8), functional.adaptive_max_pool2d(x, 8),
            functional.lp_pool2d(x + 1, 2, 2),
            functional.max_unpool2d(*functional.max_pool2d(x, 2, return_indices=True), 2)[
                :, :, ::2, ::2
            ],
        ]  # fmt: skip
        return self.last(torch.cat(parts, 1))

    network = Calls(forward, first=nn.Conv2d(3, 4, 3, padding=1), last=nn.Conv2d(24, 2, 1))
    return trained(network, torch.randn(2, 3, 16, 16))


@case
def resizing() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.first(x)
        grid = functional.affine_grid(self.theta, [2, 4, 8, 8], align_corners=False)
        parts = [
            functional.interpolate(x, (13, 11), mode="bilinear", align_corners=True).mean(),
            functional.interpolate(x, scale_factor=2, mode="nearest").mean(),
            functional.interpolate(x, scale_factor=1.5, mode="bicubic").square().mean(),
            functional.grid_sample(x, grid, align_corners=False).square().mean(),
            functional.pixel_shuffle(x, 2).square().mean(),
            functional.pad(x, (1, 1, 2, 2), mode="reflect").square().mean(),
            functional.pad(x, (1, 1, 0, 1), mode="circular").square().mean(),
            functional.unfold(x, 3).square().mean(),
            functional.fold(functional.unfold(x, 3), (8, 8), 3).square().mean(),
        ]
        return torch.stack(parts)

    theta = nn.Parameter(torch.tensor([[[1.0, 0.1, 0], [0.2, 0.9, 0]]] * 2))
    network = Calls(forward, first=nn.Conv2d(3, 4, 3, padding=1), theta=theta)
    return trained(network, torch.randn(2, 3, 8, 8))


@case
def indexing() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.linear(x)
        where = torch.tensor([0, 3, 3, 1])
        rows = torch.zeros(4, 8, dtype=y.dtype).index_add(0, where, y)
        mixed = torch.zeros(4, 8, dtype=y.dtype).scatter_add(1, self.places, y)
        most = torch.zeros(4, 8, dtype=y.dtype).scatter_reduce(1, self.places, y, "amax")
        put = y.clone()
        put[where[:2], 2] = 0.5
        put[y > 0] *= 2
        put.masked_fill_(y < -1, float("-inf"))
        chosen = [
            y[where], y[:, ::2], y[y > 0], y.gather(1, self.places), y.index_select(0, where),
            torch.take_along_dim(y, self.places, 1), rows, mixed, most,
            put.softmax(1), torch.where(y > 0, y, y * 0.1), y.roll(1, 1), y.flip(0),
            y.repeat_interleave(2, 0), y.unfold(1, 3, 2), y.diagonal(), y.tril(),
            y.as_strided((3, 3), (9, 2)), y.diff(dim=0),
        ]  # fmt: skip
        return sum(c.square().sum() for c in chosen)

    network = Calls(forward, linear=nn.Linear(8, 8))
    network.places = torch.randint(0, 8, (4, 8))
    return trained(network, torch.randn(4, 8), loss=lambda y: y)


@case
def ordering() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.linear(x)
        top, places = y.topk(3)
        parts = [
            y.sort()[0], top, y.gather(1, places), y.amax(1), y.max(1)[0], y.median(1)[0],
            y.kthvalue(2, 1)[0], y.cumsum(1), y.cumprod(1), y.logcumsumexp(1), y.cummax(1)[0],
            torch.quantile(y.float(), 0.3, dim=1),
        ]  # fmt: skip
        best = (
            functional.one_hot(y.argmax(1), 8)
            + y.argsort(1)
            + torch.bincount(y.argmin(1), minlength=8)
        )
        total = sum(p.float().square().mean() for p in parts)
        return total + (y * best).mean() + (y > 0).sum()

    return trained(Calls(forward, linear=nn.Linear(8, 8)), torch.randn(4, 8), loss=lambda y: y)


@case
def contractions() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.linear(x)
        y = torch.einsum("nik,njk->nij", y, y) + torch.baddbmm(y[:, :, :5], y, y.transpose(1, 2))
        y = y.float()
        y = y @ torch.linalg.inv(y @ y.transpose(1, 2) + 50 * torch.eye(5)) + y.logsumexp(2, True)
        return y.std(1) + y.var(2) + y.norm(dim=1) + torch.cdist(y, y + 1).mean(1) + y.prod(1) / 1e3

    return trained(Calls(forward, linear=nn.Linear(8, 8)), torch.randn(2, 5, 8))


@case
def elementwise() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.linear(x)
        z = y.sigmoid()
        parts = [
            y.tanh(), y.exp(), z.log(), z.sqrt(), z.rsqrt(), z.reciprocal(), y.sin(), y.cos(),
            y.erf(), y.abs(), y.square(), z**1.7, y.clamp(-1, 1), z.log1p(), y.expm1(), y.sign(),
            functional.softplus(y), functional.hardswish(y), functional.mish(y), functional.elu(y),
            functional.leaky_relu(y), functional.gelu(y, approximate="tanh"), functional.glu(y),
            functional.selu(y), functional.logsigmoid(y), torch.atan2(y, z), y.remainder(0.7),
            torch.lerp(y, z, 0.3), torch.addcmul(y, z, z), torch.addcdiv(y, y, z), z.logit(),
            torch.logaddexp(y, z), functional.normalize(y),
            functional.cosine_similarity(y, z)[:, None],
            functional.softmin(y, 1), functional.hardsigmoid(y), torch.heaviside(y, z).detach(),
        ]  # fmt: skip
        return torch.cat(parts, 1)

    return trained(Calls(forward, linear=nn.Linear(8, 8)), torch.randn(4, 8))


@case
def losses() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.linear(x).float()
        labels = torch.tensor([0, 255, 2, 3, 1, 255])
        kinds = torch.rand(6, 5)
        log = y.log_softmax(1)
        ctc = functional.ctc_loss(
            log[:, None].expand(6, 2, 5), torch.tensor([[1, 2], [3, 3]]), (6, 6), (2, 2)
        )
        return (
            functional.cross_entropy(y, labels, ignore_index=255, label_smoothing=0.1)
            + functional.cross_entropy(
                y.T[None, :, :, None].expand(1, 5, 6, 2),
                labels.clamp(max=4)[None, :, None].expand(1, 6, 2),
            )
            + functional.cross_entropy(y, kinds)
            + functional.binary_cross_entropy_with_logits(y, kinds)
            + functional.binary_cross_entropy(y.sigmoid(), kinds)
            + functional.smooth_l1_loss(y, kinds) + functional.huber_loss(y, kinds)
            + functional.l1_loss(y, kinds) + functional.mse_loss(y, kinds) + ctc
            + functional.kl_div(log, kinds, reduction="batchmean")
            + functional.multi_margin_loss(y, labels.clamp(max=4))
            + functional.triplet_margin_loss(y, y.flip(0), y.roll(1, 0))
            + functional.cosine_embedding_loss(y, kinds, torch.ones(6))
            + functional.gaussian_nll_loss(y, kinds, kinds + 0.1)
            + functional.poisson_nll_loss(y, kinds)
        )  # fmt: skip

    return trained(Calls(forward, linear=nn.Linear(8, 5)), torch.randn(6, 8), loss=lambda y: y)


@case
def fourier() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(self.conv(x).float())
        spectrum = spectrum * torch.view_as_complex(self.filter)
        return torch.fft.irfft2(spectrum) + torch.fft.fft(x.float()).abs() + spectrum.angle().mean()

    network = Calls(
        forward, conv=nn.Conv2d(1, 1, 3, padding=1), filter=nn.Parameter(torch.randn(8, 5, 2))
    )
    return trained(network, torch.randn(2, 1, 8, 8))


@case
def parametrized() -> tuple[nn.Module, Step]:
    network = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(8, 16)), nn.Tanh(),
        parametrizations.spectral_norm(nn.Linear(16, 8)),
        parametrizations.orthogonal(nn.Linear(8, 8)),
    )  # fmt: skip
    return trained(network, torch.randn(4, 8))


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin() * 2

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad * ctx.saved_tensors[0].cos() * 2


@case
def own_function() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.last(Doubled.apply(self.first(x)))

    network = Calls(forward, first=nn.Linear(8, 8), last=nn.Linear(8, 4))
    return trained(network, torch.randn(4, 8))


def _checkpointed(reentrant: bool) -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.first(x)
        x = checkpoint(self.middle, x, use_reentrant=reentrant)
        return self.last(x)

    middle = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 8))
    network = Calls(forward, first=nn.Linear(8, 8), middle=middle, last=nn.Linear(8, 4))
    return trained(network, torch.randn(4, 8))


@case
def checkpoint_reentrant() -> tuple[nn.Module, Step]:
    return _checkpointed(True)


@case
def checkpoint_saved_tensors() -> tuple[nn.Module, Step]:
    return _checkpointed(False)


@case
def accumulated() -> tuple[nn.Module, Step]:
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.1, weight_decay=0.01, nesterov=True, momentum=0.9
    )
    batches = [torch.randn(4, 8) for _ in range(3)]

    def step() -> None:
        for batch in batches:
            (network(batch).square().mean() / 3).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        optimizer.step()

    return network, step


@case
def hooks() -> tuple[nn.Module, Step]:
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    network[0].register_forward_hook(lambda m, i, o: o * 1.5)
    network[2].register_forward_pre_hook(lambda m, i: (i[0] + 0.1,))
    network[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    network[0].weight.register_hook(lambda g: g.clamp(-0.1, 0.1))
    return trained(network, torch.randn(4, 8))


@case
def in_place_and_views() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.first(x)
        y = y.add_(1).mul_(0.5)
        y[:, 2:4] += 3
        y.view(2, 2, 8)[0].clamp_(-1, 1)
        y.t()[1].zero_()
        self.seen.mul_(0.9).add_(y.detach().float().mean(0), alpha=0.1)
        self.count += 1
        out = torch.empty(4, 8, dtype=y.dtype)
        torch.mul(y.detach(), 2, out=out)
        halves = y.chunk(2, 1)
        return self.last(torch.cat([halves[1], halves[0]], 1) + out)

    network = Calls(forward, first=nn.Linear(8, 8), last=nn.Linear(8, 4))
    network.register_buffer("seen", torch.zeros(8))
    network.register_buffer("count", torch.tensor(0))
    return trained(network, torch.randn(4, 8))


@case
def empty_and_scalar() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        none = self.linear(x[:0])
        scale = self.scale.exp() * 2 + none.sum()
        count = (x > 0).sum() // 2 + torch.arange(3)[1]
        return self.linear(x) * scale + count + torch.cat([none.float(), x[:, :4]])

    network = Calls(forward, linear=nn.Linear(8, 4), scale=nn.Parameter(torch.tensor(0.3)))
    return trained(network, torch.randn(4, 8))


@case
def embedding_bag() -> tuple[nn.Module, Step]:
    def forward(self: nn.Module, words: Tensor) -> Tensor:
        return self.bag(words) + self.table(words).sum(1)

    network = Calls(
        forward, bag=nn.EmbeddingBag(20, 8, mode="mean"),
        table=nn.Embedding(20, 8, padding_idx=0, max_norm=2.0),
    )  # fmt: skip
    return trained(network, torch.randint(0, 20, (4, 6)))


@case
def dropouts() -> tuple[nn.Module, Step]:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Dropout2d(0.3), nn.Dropout(0.2), nn.AlphaDropout(0.1), nn.RReLU()
    )
    return trained(network, torch.randn(2, 3, 8, 8))


@case
def cancelling_gradients() -> tuple[nn.Module, Step]:
    """The gradients of a bias before a batch norm and of a key's bias are zero analytically."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        weights = (self.query(y) @ self.key(y).transpose(1, 2)).softmax(-1)
        return weights @ y

    network = Calls(
        forward, conv=nn.Conv2d(3, 8, 3), norm=nn.BatchNorm2d(8), query=nn.Linear(8, 8),
        key=nn.Linear(8, 8),
    )  # fmt: skip
    return trained(network, torch.randn(2, 3, 8, 8), loss=lambda y: (y**3).sum())


def _optimized(kind: type, **options) -> Callable[[], tuple[nn.Module, Step]]:
    return lambda: block_step(Block(), kind, **options)


OPTIMIZERS = {
    "adam": _optimized(torch.optim.Adam, foreach=False),
    "adamw_foreach": _optimized(torch.optim.AdamW, foreach=True),
    "adamw_fused": _optimized(torch.optim.AdamW, fused=True),
    "sgd_fused": _optimized(torch.optim.SGD, fused=True, momentum=0.9),
    "sgd_foreach": _optimized(torch.optim.SGD, foreach=True, momentum=0.9, weight_decay=0.1),
    "adagrad": _optimized(torch.optim.Adagrad),
    "rmsprop": _optimized(torch.optim.RMSprop, centered=True),
    "adamax": _optimized(torch.optim.Adamax),
    "nadam": _optimized(torch.optim.NAdam),
    "radam": _optimized(torch.optim.RAdam),
    "adadelta": _optimized(torch.optim.Adadelta),
    "rprop": _optimized(torch.optim.Rprop),
}


@case
def lbfgs() -> tuple[nn.Module, Step]:
    network = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    x = torch.randn(4, 8)
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=4, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = network(x).square().mean()
        loss.backward()
        return loss

    return network, lambda: optimizer.step(closure)


def made(name: str, *, seed: int = 0) -> tuple[nn.Module, Step]:
    """Returns a case by its name, from fixed random numbers."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (CASES.get(name) or OPTIMIZERS[name])()
