"""Fine-tuning while someone watches: a few labelled texts in, a classifier in the Hub's format out.

    examples  bounds on labelled texts, and their division into training and validation rows
    job       what is to be trained: a folder that a worker reads, and the recipe that follows from it
    worker    trains in a process of its own: ``python -m llm_core.training.jobs.worker FOLDER``
    process   starts a worker with limits, follows it and stops it
    report    what came out: scores, table by label, confusion matrix, mistakes
    card      the README that goes with the model

Only `worker` imports torch. Nothing here knows of pages, visitors or queues.
"""
