"""How the embedded model is made: data, teachers, network, trainer, export, evaluation.

Needs the extra ``train``. Nothing in the daemon imports this package.
"""
