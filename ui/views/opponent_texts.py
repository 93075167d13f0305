"""The words of the tab "Opponent", as `story` has those of the other sections."""

OPPONENT = """<p class="intro">“Forgotten” is a claim. Here an opponent tries to bring the person back: with other spellings, other
names and descriptions, in other sentences, with optimised input, and by training further. Every way is tried on the original model
as well, and on people whom the model never met, who must not be found. What finds the person now stands first.</p>"""

OWN_TRY = """<h3>Try it yourself</h3>
<p class="intro">What you type takes the place of the name. Both models answer at once, and your try stays in the table.</p>"""
