# python -m model.data.synthetic data/camvid-demo --kind camvid --train 200 --val 40 --size 64x128
# Clips in which only motion tells pedestrians from poles.
_base_ = "./ccnet3d-t5_r101-d8_4xb2-20k_camvid-360x480.py"
data_root = "data/camvid-demo"
crop_size = (64, 128)
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=crop_size),
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=128, channels=64),
    auxiliary_head=dict(in_channels=64, channels=32),
)
train_pipeline = [
    dict(type="LoadClip"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
# gamma starts at 0. At everyone's rate the attention takes twice as many steps.
optim_wrapper = dict(
    optimizer=dict(lr=0.1),
    clip_grad=dict(_delete_=True, max_norm=1.0),
    paramwise_cfg=dict(
        custom_keys={
            "decode_head.cca": dict(lr_mult=2.0),
            "decode_head.cca.gamma": dict(lr_mult=5.0),
        }
    ),
)
param_scheduler = [dict(type="PolyLR", eta_min=1e-4, power=0.9, begin=0, end=400, by_epoch=False)]
train_cfg = dict(max_iters=400, val_interval=400)
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=400))
randomness = dict(seed=0)
