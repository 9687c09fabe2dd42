"""Exact contributions and the sentences made of them.

contributions       Contributions of each feature to the risk of an arrival, and the usual values
                    there
feature_topics      Topics of features, so that one subject is one reason
feature_wording     Wording of each feature: a message about this vehicle, made from how the
                    feature is declared, and of what a profile asked for
reason_eligibility  Eligibility of contributions as reasons
reason_sentences    Sentences made of contributions
similar_seizures    Past seizures whose reasons were most like those of an arrival
tree_shap           Exact Shapley values of a tree ensemble, by groups of leaves
usual_values        Usual values: medians of each feature among recent entries, by class and post
"""
