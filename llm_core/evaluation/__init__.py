"""Measuring: predictions against what is right, each figure with its 95 % interval.

    evaluate.evaluate(predict, rows, task) -> {metric: Estimate}

    labels          accuracy, macro F1 and recall, F1 of each label
    answers         exact match and F1 as SQuAD counts them, and as CMRC 2018 does for Chinese
    tags            entity F1, strict IOB2 (seqeval)
    translation     BLEU and chrF with their signatures (sacrebleu)
    language_model  perplexity and bits per byte
    completion      next line and fill in the middle of held-out Python files
    code            pass@k of programs run against tests (llm_core.sandbox)
    calibration     expected calibration error, and what is fitted against it
    bootstrap       intervals of shares and of any figure that is a function of sums over rows; two systems compared
    scores          the file scores.json

The package knows no model, no trainer, no page and no engine: it takes predictions, or callables that make them.
Importing it imports none of the libraries; each module says what it needs.
"""
