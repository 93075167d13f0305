// The page that phones get: votes one portrait after the other, and sends lines. Texts are in the page itself.
(() => {
  const LOOK_MS = 2000, AGAIN_MS = 3000;
  const code = document.body.dataset.room, words = document.querySelector('[data-words]').dataset;
  const one = (name) => document.querySelector(`[data-${name}]`);
  const key = `room ${code}`; // this phone's random number for this room: no cookie, and nothing that others can read
  const phone = (() => {
    try { const kept = localStorage.getItem(key); if (kept) return kept; } catch (error) { /* nothing can be stored: it lasts until the page is left */ }
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const made = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    try { localStorage.setItem(key, made); } catch (error) { /* as above */ }
    return made;
  })();
  const said = (text) => { one('said').textContent = text; };
  const trouble = (text) => { one('trouble').textContent = text; };

  async function ask(what, more) { // the answer as an object; null where there is none, which the page then says
    try {
      const answer = await fetch(`${code}/${what}`, {
        method: 'POST', cache: 'no-store', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ phone, ...more }),
      });
      if (answer.status === 404) { close(); return null; }
      const told = await answer.json();
      trouble(answer.ok ? '' : told.error || words.away);
      return answer.ok ? told : null;
    } catch (error) { trouble(words.away); return null; }
  }

  function close() {
    clearInterval(looking);
    try { localStorage.removeItem(key); } catch (error) { /* nothing was stored */ }
    document.querySelectorAll('[data-part], nav').forEach((part) => { part.hidden = true; });
    trouble(words.over);
  }

  // ---- votes: a portrait is answered once it is seen
  const shown = one('shown'), answers = [...document.querySelectorAll('[data-answer]')];
  const address = (picture) => `${code}/${picture}.webp`;
  let left = [], total = 0, ready = false;

  function mayAnswer(now) { // not `disabled`, which would take the focus away from a keyboard
    ready = now;
    answers.forEach((button) => { button.setAttribute('aria-disabled', now ? 'false' : 'true'); });
  }

  function next() {
    one('ballot').hidden = !left.length;
    one('done').hidden = left.length > 0;
    mayAnswer(false);
    if (!left.length) { said(one('done').textContent.trim()); return; }
    const place = words.portrait.replace('NUMBER', total - left.length + 1).replace('TOTAL', total);
    shown.src = address(left[0]);
    shown.alt = place;
    one('progress').textContent = place;
    said(place);
    if (left.length > 1) new Image().src = address(left[1]);
  }

  shown.addEventListener('load', () => {
    shown.style.maxWidth = `${2.5 * shown.naturalWidth}px`; // larger, a small picture is a blur
    mayAnswer(true);
  });
  shown.addEventListener('error', () => { if (shown.getAttribute('src')) setTimeout(begin, AGAIN_MS); });

  for (const button of answers) {
    button.addEventListener('click', async () => {
      if (!ready) return;
      mayAnswer(false);
      const told = await ask('vote', { picture: left[0], yes: button.dataset.answer === 'yes' });
      if (told) { left.shift(); next(); } else mayAnswer(true);
    });
  }

  async function begin() {
    const told = await ask('ballot', {});
    if (told) { left = told.pictures; total = told.total; next(); }
  }

  // ---- lines
  const mine = new Map(); // id of a line -> where its outcome is written
  const form = one('line');

  form?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const input = form.elements.line, text = input.value.trim();
    if (!text) return;
    const told = await ask('line', { text });
    if (!told) return;
    input.value = '';
    if (mine.has(told.line)) return;
    const row = document.createElement('li'), line = document.createElement('span'), outcome = document.createElement('b');
    line.textContent = text;
    row.append(line, outcome);
    one('sent').prepend(row);
    mine.set(told.line, outcome);
    write(told.line, told.outcome);
  });

  function write(id, outcome) {
    const place = mine.get(id);
    place.dataset.outcome = outcome;
    place.textContent = { waiting: words.waiting, found: words.found, 'not found': words.notFound, 'not tried': words.notTried }[outcome];
  }

  async function look() {
    const waiting = [...mine].filter(([, place]) => place.dataset.outcome === 'waiting').map(([id]) => id);
    if (!waiting.length || document.hidden) return;
    const told = await ask('lines', { lines: waiting });
    for (const [id, outcome] of Object.entries(told ? told.outcomes : {})) if (outcome !== 'waiting') write(id, outcome);
  }

  const looking = setInterval(look, LOOK_MS);

  for (const button of document.querySelectorAll('[data-part-to]')) {
    button.addEventListener('click', () => {
      document.querySelectorAll('[data-part]').forEach((part) => { part.hidden = part.dataset.part !== button.dataset.partTo; });
      document.querySelectorAll('[data-part-to]').forEach((other) => other.setAttribute('aria-pressed', other === button ? 'true' : 'false'));
    });
  }

  begin();
})();
