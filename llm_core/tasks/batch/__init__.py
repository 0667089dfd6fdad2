"""Whole files through a task: a table in, each of its rows answered, the table with the answers out.

    table = read_table(Path("reviews.csv"))
    request = BatchRequest(table=table, columns={"text": table.column("review")})
    for event in Batches(engine).run(BatchTask(SENTIMENT), request): ...

Any task whose request takes texts can be run so, once `kinds` says which columns it reads and writes.
"""
