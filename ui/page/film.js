// The film of a forgetting: the scrubber, the loop, and frames that come in while a job runs. Places what is known so far, too.
(() => {
  const FRAME_MS = 900, HOLD = 2; // the last frame stays for so many more turns
  // What a visitor did to a film, kept by the film's key, because the server may draw the panel anew at any time.
  const films = new Map(); // key -> {at: number of the frame or null for the latest, playing: true, false, or null for "as it suits"}
  const calm = matchMedia('(prefers-reduced-motion: reduce)');

  const stateOf = (film) => {
    const key = film.dataset.film;
    if (!films.has(key)) films.set(key, { at: null, playing: null, held: 0 });
    return films.get(key);
  };
  const framesOf = (film) => [...film.querySelectorAll('.frame')];
  const plays = (film) => stateOf(film).playing ?? (film.dataset.loop !== undefined && !calm.matches);

  function show(film) {
    const frames = framesOf(film), scrub = film.querySelector('[data-scrub]'), play = film.querySelector('[data-film-play]');
    const last = frames.length - 1, at = Math.min(stateOf(film).at ?? last, last);
    frames.forEach((frame, number) => frame.classList.toggle('at', number === at));
    film.querySelectorAll('.strip [data-frame]').forEach((item, number) => item.classList.toggle('at', number === at));
    film.dataset.chosen = at;
    scrub.max = last;
    scrub.value = at;
    scrub.setAttribute('aria-valuetext', frames[at].querySelector('.moment').textContent);
    play.textContent = plays(film) ? play.dataset.pause : play.dataset.play;
  }

  function choose(film, at) {
    Object.assign(stateOf(film), { at, playing: false });
    show(film);
  }

  document.addEventListener('input', (event) => {
    if (event.target.matches('[data-scrub]')) choose(event.target.closest('.film'), Number(event.target.value));
  });
  document.addEventListener('focusin', (event) => { // who reads the scrubber is not read a new moment every second
    if (event.target.matches?.('[data-scrub]')) choose(event.target.closest('.film'), Number(event.target.value));
  });
  document.addEventListener('click', (event) => {
    const item = event.target.closest?.('.strip [data-frame]'), play = event.target.closest?.('[data-film-play]');
    if (item) choose(item.closest('.film'), Number(item.dataset.frame));
    if (!play) return;
    const film = play.closest('.film'), state = stateOf(film);
    Object.assign(state, { playing: !plays(film), held: HOLD });
    if (state.playing && (state.at ?? Infinity) >= framesOf(film).length - 1) state.at = 0;
    show(film);
  });

  const isSeen = (film) => {
    const { top, bottom } = film.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };

  setInterval(() => {
    if (document.hidden) return;
    document.querySelectorAll('.film').forEach((film) => {
      if (film.dataset.chosen === undefined) show(film);
      if (!plays(film) || !isSeen(film)) return;
      const state = stateOf(film), last = framesOf(film).length - 1;
      if ((state.at ?? last) < last) state.at = (state.at ?? last) + 1;
      else if (state.held < HOLD) state.held += 1;
      else Object.assign(state, { at: 0, held: 0 });
      show(film);
    });
  }, FRAME_MS);

  // News of a running job. Children are matched by their keys: one with a known key stays as it is, so that no picture flickers and a
  // scrubber keeps its place; one marked as a container is looked into.
  function merge(now, next) {
    const known = new Map([...now.children].map((child) => [child.dataset.key, child]));
    [...next.children].forEach((child, number) => {
      const old = known.get(child.dataset.key);
      known.delete(child.dataset.key);
      if (!old) now.insertBefore(child.cloneNode(true), now.children[number] || null);
      else if (child.dataset.merge !== undefined) merge(old, child);
    });
    known.forEach((gone) => gone.remove());
  }

  document.addEventListener('so-far', (event) => {
    const now = document.querySelector('#so-far .so-far'), template = document.createElement('template');
    template.innerHTML = event.detail;
    const next = template.content.querySelector('.so-far');
    if (!now || !next || now.dataset.job !== next.dataset.job) return;
    merge(now, next);
    document.querySelectorAll('#so-far .film').forEach(show);
  });
})();
