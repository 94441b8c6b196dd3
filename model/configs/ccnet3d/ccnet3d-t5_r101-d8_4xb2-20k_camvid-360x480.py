_base_ = [
    "../_base_/models/ccnet_r50-d8.py",
    "../_base_/datasets/camvid.py",
    "../_base_/default_runtime.py",
    "../_base_/schedules/schedule_20k.py",
]
crop_size = (360, 480)
model = dict(
    type="ClipEncoderDecoder",
    pretrained="open-mmlab://resnet101_v1c",
    data_preprocessor=dict(size=crop_size),
    backbone=dict(depth=101),
    decode_head=dict(type="CCHead3D", recurrence=3, num_classes=11),
    auxiliary_head=dict(num_classes=11),
)
