// Pictures that a slider steps through: the dial, and two portraits as they grow. All of them are on the page already, so nothing is
// asked of the server. What belongs to a step has `data-at`; the sentence among it (`data-say`) is what a screen reader is told.
(() => {
  const PAUSE_MS = 450;
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let playing = null, timer = 0;

  const inputOf = (steps) => steps.querySelector('[data-step]');

  function show(steps, at) {
    const input = inputOf(steps);
    input.value = at;
    for (const part of steps.querySelectorAll('[data-at]')) part.hidden = part.dataset.at !== input.value;
    for (const mark of steps.querySelectorAll('[data-go]')) mark.toggleAttribute('data-here', mark.dataset.go === input.value);
    const said = steps.querySelector('[data-say]:not([hidden])');
    input.setAttribute('aria-valuetext', said.textContent.trim().replace(/\s+/g, ' '));
    steps.style.setProperty('--here', said.dataset.say);
  }

  function fetchAll(steps) { // so that no picture is missing when its turn comes
    for (const image of steps.querySelectorAll('img[loading=lazy]')) image.loading = 'eager';
  }

  function stop() {
    clearInterval(timer);
    if (playing) delete playing.dataset.playing;
    playing = null;
  }

  function next(steps) {
    const input = inputOf(steps), at = Number(input.value), last = Number(input.max);
    show(steps, at >= last ? 0 : at + 1);
    return Number(input.value) < last;
  }

  function play(steps) {
    const again = playing !== steps;
    stop();
    if (!again) return;
    fetchAll(steps);
    const goesOn = next(steps);
    if (still.matches || !goesOn) return; // without motion a press is one step
    playing = steps;
    steps.dataset.playing = '';
    timer = setInterval(() => { if (!steps.isConnected || !next(steps)) stop(); }, PAUSE_MS);
  }

  const stepsOf = (event) => event.target.closest && event.target.closest('[data-steps]');

  document.addEventListener('input', (event) => {
    if (!event.target.matches('[data-step]')) return;
    stop();
    show(stepsOf(event), event.target.value);
  });
  document.addEventListener('click', (event) => {
    const steps = stepsOf(event);
    if (!steps) return;
    const column = event.target.closest('[data-go]');
    if (column) show(steps, column.dataset.go);
    if (event.target.closest('[data-play]')) play(steps);
  });
  for (const kind of ['pointerover', 'focusin']) {
    document.addEventListener(kind, (event) => { if (stepsOf(event)) fetchAll(stepsOf(event)); });
  }
})();
