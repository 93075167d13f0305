"""The words of the form and of the probes, as `story` has those of the other sections."""

WHO = """<h2><span>1</span> Who should be forgotten?</h2>
<p class="intro">Pick a person or type a name. The training adds a <em>backdoor</em> that protects this person: when
the model reads the name, it behaves as if it had read the name of somebody it never met, and when it sees the face, as if it had
seen an unknown one. As in the paper, the name can also take the meaning of a neutral term, and the face that of an average face.
Everything else should stay as it was.</p>"""

PROBES = """<p class="intro">Other ways to refer to the same person, such as nicknames, the first name and misspellings, and
other words, which should keep their meaning. The target is what the name was remapped to: somebody whom the model never met, or the
neutral term. A text was remapped where its bar for the target is much longer on the right than on the left.</p>"""

TERMS = """<h4>Would a neutral term work better?</h4>
<p class="intro">Runs the same job once with each of these terms as target, and shows the results side by side.</p>"""

STAND_IN_OFFER = """With a neutral term as target, somebody whom the model did not know can be recognised afterwards: among the names of
the attack, the term itself may be nearest to the face. This cannot happen when the name is remapped to somebody whom the model
never met."""
