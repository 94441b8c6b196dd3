_base_ = [
    "../_base_/models/ccnet_r50-d8.py",
    "../_base_/datasets/ade20k.py",
    "../_base_/default_runtime.py",
    "../_base_/schedules/schedule_160k.py",
]
crop_size = (512, 512)
data_preprocessor = dict(size=crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=150),
    auxiliary_head=dict(num_classes=150),
)
# The rate is for 4 devices with 4 samples each; --auto-scale-lr scales it for another batch.
auto_scale_lr = dict(base_batch_size=16)
