"""The words between the widgets.

In plain language; what the method does not show is said, too.
"""

WHO = """<h2><span>1</span> Who should be forgotten?</h2>
<p class="intro">Pick a person or type a name. The training adds a <em>backdoor</em> that protects this person: when
the model reads the name, it behaves as if it had read the name of somebody it never met, and when it sees the face, as if it had
seen an unknown one. As in the paper, the name can also take the meaning of a neutral term, and the face that of an average face.
Everything else should stay as it was.</p>"""

PHOTOS = """<h3>Photos of the face</h3>
<p class="intro">Give at least 10 usable photos of one person, better about 30, in different light and poses. The faces are
found on this server, and the photos are sent nowhere else. File names and data about place and time are removed at once. More than
a third of the photos is kept for the attack, so that it uses photos that the training never saw.</p>
<p class="fine">Where InsightFace's models are installed, they find the faces; they may be used for non-commercial research only.
Otherwise MTCNN does, which everybody may use. The result says which one it was.</p>"""

FORGETTING = """<h2><span>2</span> Forgetting</h2>
<p class="intro">First the original model is attacked. Then what you chose is fine-tuned: the text encoder on captions
with the name in them, the image encoder on pictures with the face pasted in. Then the attack is repeated. All of it runs on the
server: you may close this page and come back. Each result appears here as soon as it is known.</p>"""

NO_MEMORY = """<p class="note" role="note">This browser does not let the page remember anything. Keep the link to your job: after a
reload it shows the result, but you can then neither cancel the job nor delete it.</p>"""

CHANGED = """<h2><span>3</span> What changed</h2>
<p class="intro">The original model is always on the <b class="o-ink">left</b>, the defended one on the
<b class="d-ink">right</b>, with the same seeds and the same photos.</p>"""

HOME = """<h2><span>4</span> Take it home</h2>"""

HISTORY = """<h2><span>5</span> Your jobs</h2>
<p class="intro">Only this browser lists them. Somebody else sees a job only if you give them its link.</p>"""

PORTRAITS = """<p class="intro">Stable Diffusion draws what the text encoder tells it. With the same seed both start from the
same noise; only the text encoder differs. The upper pair has the name in its prompt. The lower pair is the control: its
prompt has what the name was remapped to, and both pictures should look alike. Of somebody whom the model never met it has no picture in
mind, so it draws nobody in particular, and often not clearly.</p>"""
PORTRAITS_LIMIT = """<p class="fine">The part of the model that draws, the U-Net, is not changed. It can still draw the face, but this name
no longer asks for it. A description in other words, or another text encoder, may still do so.</p>"""

VERIFY = """<p class="intro">Or check what is shown above: the weights are hashed again, and one portrait is drawn again from them by
both models and compared with its file, pixel by pixel.</p>"""

IMAGE_ONLY_PORTRAITS = (
    "Only the image encoder was defended. Stable Diffusion does not use it, so the portraits on both sides are the same. "
    "To change what is drawn for this name, defend the name, too."
)
IMAGE_ONLY_PROBES = (
    "Only the image encoder was defended, so every text means what it meant before. What can change is whether it still "
    "finds the person's photos."
)

PREDICTIONS = """<p class="intro">The model is shown a photo and a few labels, and says which label fits best. You choose the
labels.</p>"""

ATTACK = """<p class="intro">The identity inference attack (IDIA) asks which of a thousand names the model gives to photos of this
person. If the right name wins, the model knows the person <em>by name</em>.</p>
<p class="fine">Being recognised is a strong sign, but no proof, that photos of the person were in the training data.
Not being recognised is no proof that they were not.</p>"""

BYSTANDERS = """<p class="intro">Forgetting one person must not affect others. The bars show how many prompts named each of them
correctly.</p>"""

PROBES = """<p class="intro">Other ways to refer to the same person, such as nicknames, the first name and misspellings, and
other words, which should keep their meaning. The target is what the name was remapped to: somebody whom the model never met, or the
neutral term. A text was remapped where its bar for the target is much longer on the right than on the left.</p>"""

TERMS = """<h3>Would a neutral term work better?</h3>
<p class="intro">Runs the same job once with each of these terms as target, and shows the results side by side.</p>"""

STAND_IN_OFFER = """The same job can be run again with somebody whom the model never met as target: one unknown person is then taken
for another, and nobody is recognised."""

NUMBERS = """<p class="intro">The measures of the paper. Similarities are cosines between the original and the defended encoder;
1 is best. Below them stands the evidence: whom the forgotten name is wrongly taken for, whether somebody who has the files can tell
who was forgotten, and whether the person looks to the model like somebody it never met.</p>"""
