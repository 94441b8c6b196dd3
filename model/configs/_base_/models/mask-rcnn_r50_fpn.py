model = dict(
    type="MaskRCNN",
    data_preprocessor=dict(type="DetDataPreprocessor"),
    depth=50,
    num_classes=80,
    pretrained="torchvision://resnet50",
    norm_cfg=dict(type="FrozenBN"),
    trainable_layers=3,
    pyramid_channels=256,
    anchor_sizes=(32, 64, 128, 256, 512),
    image_size=(800, 1333),
    box_channels=1024,
    box_samples=512,
)
