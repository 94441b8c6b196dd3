# python -m model.data.synthetic data/rehearsal --train 64 --val 8 --size 32x64
# A rehearsal of docs/how-to/port-a-device.md: 60 steps take some 3 seconds on a CPU.
_base_ = "./ccnet_r18-d8_demo.py"
data_root = "data/rehearsal"
crop_size = (32, 64)
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(stem_channels=8, base_channels=8),
    decode_head=dict(in_channels=64, channels=16),
    auxiliary_head=dict(in_channels=32, channels=8),
)
train_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root))
val_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader

# The end of 60 steps at the demo's rate spreads too much between seeds to judge a port by.
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = [dict(type="PolyLR", eta_min=1e-4, power=0.9, begin=0, end=60, by_epoch=False)]
train_cfg = dict(max_iters=60, val_interval=60)
default_hooks = dict(checkpoint=dict(interval=60))
