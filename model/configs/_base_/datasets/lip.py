dataset_type = "LIPDataset"
data_root = "data/lip/"
crop_size = (473, 473)
# In a mirror, left and right arms, legs and shoes trade places.
left_right = [(14, 15), (16, 17), (18, 19)]
# CE2P's first release: images at any ratio of height to width, 0.5 to 1.6 times the crop.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomResize", scale=crop_size, ratio_range=(0.5, 1.6), keep_ratio=False),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5, swap_seg_labels=left_right),
    dict(type="PackSegInputs"),
]
# Labels are loaded after the resize: predictions are compared at the original size.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=crop_size, keep_ratio=False),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_pipeline = [
    dict(type="LoadImageFromFile", backend_args=None),
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
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path="TrainVal_images/train_images",
            seg_map_path="TrainVal_parsing_annotations/train_segmentations",
        ),
        ann_file="TrainVal_images/train_id.txt",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(
            img_path="TrainVal_images/val_images",
            seg_map_path="TrainVal_parsing_annotations/val_segmentations",
        ),
        ann_file="TrainVal_images/val_id.txt",
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
