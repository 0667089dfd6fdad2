"""Fine-tuning and measuring: recipe in, adapter with its scores and card out.

    recipe.load_recipe(name_or_path) -> Recipe
    train.train(recipe, *, base_dir, data_dir, output_dir, resume=True, work_dir=None) -> TrainReport
    evaluate.evaluate(predict, rows, task) -> {metric: share}
    export.open_predictor(model_dir, base_dir) -> rows to predictions, for `evaluate`

`objectives` say what is learned, `tuning` which weights move, `trainer` runs transformers' `Trainer`, `export` writes
and reads the directory that ships, `calibration` fits what turns logits into honest figures, `card` writes the model
card. Training uses the data package and models; no page, no engine. Importing this package imports no torch.
"""
