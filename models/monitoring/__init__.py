"""Models in service: drift, shadow, trials, integrity.

drift_monitor      Has traffic left what the model in force learnt from? And whether its
                   searches still find
officer_integrity  Whether an officer sees more of a carrier, or lets more go, than the lot
                   explains
search_outcomes    Do the searches of the model in force still find what it stated? All of them
                   are asked
shadow_agreement   Would the shadow have picked the same? Agreement, and what was found in what
                   it alone wanted
shadow_scoring     What would a model in the shadow have said? It scores what was decided, after
                   the fact
trial_results      What have both sides of a trial found? Each is asked of the arrivals that it
                   alone wanted
"""
