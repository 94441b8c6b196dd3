# Detectron's 1x: 90,000 steps of 16 images, 12.3 passes over COCO's images with objects.
optimizer = dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=0.0001)
optim_wrapper = dict(type="OptimWrapper", optimizer=optimizer)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, begin=0, end=500, by_epoch=False),
    dict(type="MultiStepLR", milestones=[60000, 80000], gamma=0.1, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=90000, val_interval=15000)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=15000),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook"),
)
# The rate is for 8 devices with 2 images each; --auto-scale-lr scales it for another batch.
auto_scale_lr = dict(enable=False, base_batch_size=16)
