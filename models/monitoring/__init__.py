"""Models in service: drift, shadow, trials, integrity.

drift_monitor      Drift of traffic from the reference of the model in force, and the hit rate of
                   its searches
officer_integrity  Permutation test of whether an officer sees or releases a carrier more than
                   chance explains
shadow_scoring     Scores of a shadow model for past decisions, and its agreement with the model
                   in force
trials             Trial of a challenger against the champion, and the finds of both sides
"""
