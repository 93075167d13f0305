"""The words between the widgets.

Plain language, honest about what the method does not show.
"""

WHO = """<h2><span>1</span> Who should be forgotten?</h2>
<p class="intro">Pick a person or type a name. What is trained in is a <em>backdoor</em>, used for good: whenever the
model meets the name, it behaves as if it had read the neutral term; whenever it sees the face, as if it had seen an average
one. Everything else it knows should stay.</p>"""

PHOTOS = """<h4>Photos of the face</h4>
<p class="intro">At least 10 usable photos of one person, better about 30, different in light and pose. Faces are looked for on this
server and sent nowhere else; names of files and data about place and time are dropped at once. More than a third is kept
aside, so that the attack afterwards looks at photos that the training never saw.</p>
<p class="fine">Where InsightFace's models are at hand, they look for the faces; they may be used for non-commercial research only.
Else a simpler finder does. Which one it was is said beside the result.</p>"""

FORGETTING = """<h2><span>2</span> Forgetting</h2>
<p class="intro">First the model is attacked as it is, then what you chose is fine-tuned: the text encoder on captions
with the name in them, the image encoder on pictures with the face pasted in. Then it is attacked again. It runs on the
server: you may close this page and come back.</p>"""

NO_MEMORY = """<p class="note" role="note">This browser lets the page remember nothing: keep the link to your job, since after a
reload it brings back the result, but the job can then only be looked at, not cancelled or deleted.</p>"""

CHANGED = """<h2><span>3</span> What changed</h2>
<p class="intro">The original model is always on the <b class="o-ink">left</b>, the defended one on the
<b class="d-ink">right</b>, with the same seeds and the same photos.</p>"""

HOME = """<h2><span>4</span> Take it home</h2>"""

HISTORY = """<h2><span>5</span> Your jobs</h2>
<p class="intro">Only this browser lists them. Somebody else sees a job only if you give them its link.</p>"""

PORTRAITS = """<p class="intro">Stable Diffusion draws from what the text encoder tells it. Same seed, same starting noise:
only the text encoder differs. The upper pair has the name in its prompt; the lower pair, the neutral term, is the control
and should look alike.</p>"""
PORTRAITS_LIMIT = """<p class="fine">The drawing part of the model, the U-Net, is untouched: it can still draw the face, it only is
not told to by this name any more. A description in other words, or somebody who brings their own text encoder, may still
reach it.</p>"""

IMAGE_ONLY_PORTRAITS = (
    "Only the image encoder was defended. Stable Diffusion never looks through it, so the portraits on both sides are the same: "
    "to change what is drawn at this name, defend the name, too."
)
IMAGE_ONLY_PROBES = (
    "Only the image encoder was defended, so every text means what it meant; what can change is whether it still finds "
    "the person's photos."
)

PREDICTIONS = """<p class="intro">The model is shown a photo and a few labels, and says which label fits best. Labels are yours
to choose.</p>"""

ATTACK = """<p class="intro">The identity inference attack (IDIA) asks: of a thousand names, which one does the model give to photos
of this person? If the right name wins, the model knows the person <em>by name</em>.</p>
<p class="fine">What it does not show: being recognised is a strong sign, but no proof, that photos of the person were in the
training data; and not being recognised is no proof that they were not.</p>"""

BYSTANDERS = """<p class="intro">Forgetting one person must not touch the others. Bars show how many prompts named each of them
correctly.</p>"""

PROBES = """<p class="intro">Other ways to mean the same person: nicknames, a first name, misspellings. And other words that
should have stayed as they are. A text whose bar to the neutral term jumps to the far end on the right was remapped.</p>"""

TERMS = """<h4>Would another neutral term have done better?</h4>
<p class="intro">Runs the same job once for each of the others, and sets them side by side.</p>"""

NUMBERS = """<p class="intro">The measures of the paper. Similarities are cosines between the original and the defended encoder;
1 is a perfect match.</p>"""
