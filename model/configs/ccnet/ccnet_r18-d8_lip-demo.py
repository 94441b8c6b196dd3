# python -m model.data.synthetic data/synthetic_lip --kind lip --train 48 --val 8 --size 64x48
# 100 steps take some 6 seconds on a CPU. The images become twice as large, for limbs of a cell.
_base_ = "./ccnet_r50-d8_5xb8-115k_lip-473x473.py"
data_root = "data/synthetic_lip"
crop_size = (97, 97)
left_right = [(14, 15), (16, 17), (18, 19)]
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=crop_size),
    backbone=dict(depth=18, stem_channels=12, base_channels=12),
    decode_head=dict(in_channels=96, channels=24),
    auxiliary_head=dict(in_channels=48, channels=12),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=crop_size, ratio_range=(0.8, 1.25), keep_ratio=False),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5, swap_seg_labels=left_right),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=crop_size, keep_ratio=False),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [dict(type="Resize", scale=crop_size, keep_ratio=False)],
            [
                dict(type="RandomFlip", prob=0.0, swap_seg_labels=left_right),
                dict(type="RandomFlip", prob=1.0, swap_seg_labels=left_right),
            ],
            [dict(type="LoadAnnotations")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

# Far above the published rate: so few steps from random weights do not get far at 0.007.
optim_wrapper = dict(optimizer=dict(lr=0.3))
param_scheduler = [dict(type="PolyLR", eta_min=1e-4, power=0.9, begin=0, end=100, by_epoch=False)]
train_cfg = dict(max_iters=100, val_interval=100)
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
randomness = dict(seed=0)
