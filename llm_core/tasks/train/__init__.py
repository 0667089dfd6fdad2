"""Train your own classifier: labelled texts in, a model that answers at once out.

    request   what is asked for, and which models can be trained further
    run       `Trainings`: the queue, the visitors' jobs, and their models in the engine
    publish   the model as a zip file, or on the Hub

A visitor's model is lent to the engine for that visitor alone: it stands in no catalogue and no menu of others.
"""
