# python -m model.data.synthetic data/synthetic_coco --kind coco --train 256 --val 32 --size 128x128
_base_ = "./maskrcnn_r50-fpn_1x_coco.py"
data_root = "data/synthetic_coco"
metainfo = dict(classes=("circle", "square", "triangle"))
# From random weights: everything learns, and the statistics are those of the batch.
model = dict(
    depth=18,
    num_classes=3,
    pretrained=None,
    norm_cfg=dict(type="BN"),
    trainable_layers=5,
    pyramid_channels=64,
    anchor_sizes=(16, 32, 64, 128, 256),
    image_size=(128, 128),
    box_channels=128,
    box_samples=64,
)
train_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dict(data_root=data_root, metainfo=metainfo)
)
val_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root, metainfo=metainfo))
test_dataloader = val_dataloader

# At the published rate, without the limit, the loss was not a number after 60 steps.
optim_wrapper = dict(optimizer=dict(lr=0.01), clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(type="MultiStepLR", milestones=[240], gamma=0.1, by_epoch=False),
]
train_cfg = dict(max_iters=300, val_interval=300)
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
randomness = dict(seed=0)
