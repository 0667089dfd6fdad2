"""Training and measuring: recipe in, model directory with its scores and card out.

    recipe.load_recipe(name_or_path, overrides) -> Recipe
    train.train(recipe, *, base_dir, data_dir, output_dir, resume=True, budget_minutes=None) -> TrainReport
    export.open_predictor(model_dir, base_dir) -> rows to predictions, for `evaluation.evaluate`

    recipe      what is trained              mixture      rows of the data sets
    vocabulary  its tokenizer                features     token ids on disk
    objectives  what is learned              tuning       the model, and which weights move
    trainer     transformers' Trainer        fitting      all of these, and going on from checkpoints
    export      the directory that ships     measure      calibrates and scores it        card   describes it

Training drives the models of `llm_core.model`; it uses the data and evaluation packages and knows no page and no
engine. Importing this package imports no torch.
"""
