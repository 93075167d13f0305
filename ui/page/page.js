// What the page does by itself, without the server: picking people, switching views, sliders, links.
(() => {
  // What the browser remembers of a visitor: {visitor, job}. It is sent with every event, together with a name that only this open
  // page knows. Where the browser stores nothing (a frame of another site, all site data blocked), reading and writing throw, and the
  // page uses its own copy.
  const KEPT = 'unlearn';
  const page = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  let memory = { visitor: '', job: '' };

  function keep() {
    let kept = true;
    try { localStorage.setItem(KEPT, JSON.stringify(memory)); } catch (error) { kept = false; }
    document.documentElement.dataset.memory = kept ? 'kept' : 'none'; // without storage the style sheet shows a note
  }

  try { memory = { ...memory, ...JSON.parse(localStorage.getItem(KEPT)) }; } catch (error) { /* nothing stored, or by an earlier version */ }
  keep();

  const names = () => document.querySelector('#names textarea');
  const lines = () => names().value.split('\n').map((line) => line.trim()).filter(Boolean);

  // What all ways to write one name share, as `name_key` of unlearn/config/persons.py has it.
  const SIGNS = [["'", /[\u2019\u2018\u02bc\u02bb\u201b\u2032\u00b4`]/g], ['-', /[\u2010\u2011\u2013\u2012\u2212]/g], ['"', /[\u201c-\u201f]/g]];
  const key = (name) => SIGNS.reduce((text, [plain, signs]) => text.replace(signs, plain), name.normalize('NFC')).normalize('NFKC')
    .replace(/[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '').split(/\s+/).filter(Boolean).join(' ')
    .toUpperCase().toLowerCase();
  const nameOf = (line) => key(line.replaceAll('\uff5c', '|').split('|')[0]);

  function write(list) {
    const box = names();
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(box, list.join('\n'));
    box.dispatchEvent(new Event('input', { bubbles: true }));
    mark();
  }

  function mark() { // the pictures show who is in the list, however the name got there
    if (!names()) return;
    const chosen = new Set(lines().map(nameOf));
    document.querySelectorAll('.person[data-name]').forEach((button) => {
      const name = nameOf(button.dataset.name);
      button.setAttribute('aria-pressed', chosen.has(name) ? 'true' : 'false');
    });
  }

  function pick(button) {
    const wanted = button.dataset.name, name = nameOf(wanted);
    const rest = lines().filter((line) => nameOf(line) !== name);
    write(rest.length < lines().length ? rest : [...rest, wanted]);
  }

  document.addEventListener('click', (event) => {
    const target = event.target.closest ? event.target : null;
    if (!target) return;
    const person = target.closest('.person[data-name]'), copy = target.closest('[data-copy]');
    if (person) pick(person);
    if (target.closest('[data-dismiss]')) target.closest('.notice').remove();
    if (copy) {
      const link = new URL(copy.dataset.copy, location.href.split('?')[0]).href;
      const label = copy.textContent;
      const done = () => { copy.textContent = 'Copied'; setTimeout(() => { copy.textContent = label; }, 2000); };
      const policy = document.featurePolicy; // of the site around this frame; the browser complains about a request that it must refuse
      const may = navigator.clipboard && isSecureContext && (!policy || policy.allowsFeature('clipboard-write'));
      if (may) navigator.clipboard.writeText(link).then(done, () => showLink(copy, link));
      else showLink(copy, link);
    }
  });

  // What a phone's picker offers: its photo library, or its files. Only a hint to the picker: dropped files of any name are taken, since
  // a browser goes by their endings and would leave out photos; the server says what it cannot read.
  const PICTURES = 'image/*,.heic,.heif';

  document.addEventListener('click', (event) => {
    const box = event.target.matches && event.target.matches('input[type="file"]') && event.target.closest('[id$="upload"]');
    const other = { 'zip-upload': ['.zip,application/zip'], 'attack-upload': [PICTURES, '.zip'] };
    if (box) event.target.accept = (other[box.id] || [PICTURES]).join();
  }, true);

  function showLink(button, link) { // where the script may not copy; a frame may not open a dialogue either
    const box = button.parentElement.querySelector('.link') || document.createElement('input');
    Object.assign(box, { className: 'link', readOnly: true, value: link, ariaLabel: 'The link to this job' });
    button.after(box);
    box.focus();
    box.select();
  }

  // A press counts even if the page moved or was redrawn between the mouse's down and up, when the browser gives the click to
  // neither button. This concerns the mouse only: a tap is down, up and click in one.
  let press = null;

  document.addEventListener('pointerdown', (event) => {
    const button = event.pointerType === 'mouse' && event.button === 0 && event.target.closest && event.target.closest('[data-action]');
    press = button ? { ...button.dataset, panel: button.closest('[id^=html-]'), x: event.clientX, y: event.clientY } : null;
  }, true);

  document.addEventListener('click', (event) => {
    if (event.target.closest && event.target.closest('[data-action]')) press = null;
  }, true);

  document.addEventListener('pointerup', (event) => {
    const held = press;
    if (!held || Math.hypot(event.clientX - held.x, event.clientY - held.y) > 8) { press = null; return; }
    setTimeout(() => {
      if (press !== held) return; // the click arrived
      press = null;
      const same = (button) => ['action', 'job', 'value'].every((key) => button.dataset[key] === held[key]);
      [...held.panel.querySelectorAll('[data-action]')].find(same)?.click();
    });
  }, true);

  document.addEventListener('input', (event) => {
    if (event.target.matches('#names textarea')) mark();
    if (event.target.matches('[data-cut]')) {
      event.target.closest('.stack').style.setProperty('--cut', `${event.target.value}%`);
    }
  });

  // Press and hold on a portrait shows the original for as long as thumb, mouse or key is down. A finger that begins to scroll, a
  // window that loses the focus and a key that is released elsewhere all let go.
  let holding = null;

  function hold(button) {
    if (holding === button) return;
    if (holding) {
      holding.setAttribute('aria-pressed', 'false');
      say(holding, 'Defended');
    }
    holding = button;
    if (!button) return;
    button.setAttribute('aria-pressed', 'true');
    say(button, 'Original');
  }

  function say(button, model) { button.parentElement.querySelector('[data-said]').textContent = `${model} model`; }

  const holdable = (event) => event.target.closest && event.target.closest('[data-hold]');
  document.addEventListener('pointerdown', (event) => { if (event.button === 0 && holdable(event)) hold(holdable(event)); });
  for (const kind of ['pointerup', 'pointercancel', 'blur']) window.addEventListener(kind, () => hold(null));
  document.addEventListener('focusout', (event) => { if (holding && holdable(event) === holding) hold(null); });
  document.addEventListener('contextmenu', (event) => { if (holdable(event)) event.preventDefault(); }); // of a long press
  document.addEventListener('keydown', (event) => {
    if (event.key !== ' ' && event.key !== 'Enter' || !holdable(event)) return;
    event.preventDefault(); // the space key would scroll
    hold(holdable(event));
  });
  document.addEventListener('keyup', (event) => { if (event.key === ' ' || event.key === 'Enter') hold(null); });

  document.addEventListener('change', (event) => {
    const input = event.target, block = input.closest && input.closest('[data-switch]');
    if (!block) return;
    for (const kind of ['seed', 'photo']) {
      if (input.dataset[kind] === undefined) continue;
      block.querySelectorAll(`[data-pane-${kind}]`).forEach((pane) => {
        pane.hidden = pane.getAttribute(`data-pane-${kind}`) !== input.value;
      });
    }
    if (input.dataset.view !== undefined) block.dataset.showing = input.value;
  });

  // News: a small request every few seconds while a job is active and the page is visible. Only changes of the page's structure
  // (a job was added, removed, or changed its state) go through Gradio; progress is put in place here.
  const LOOK_MS = 500;
  let asking = false, asked = 0, shown = '', pressed = '';

  async function pulse() {
    const place = document.querySelector('[data-pulse]');
    if (!place || !place.dataset.pulse || asking || document.hidden || performance.now() - asked < place.dataset.pauseMs) return;
    asking = true;
    asked = performance.now();
    try {
      const answer = await fetch(`pulse/${place.dataset.pulse}?seen=${shown}`, { cache: 'no-store' });
      if (!answer.ok) return;
      const news = await answer.json();
      if (news.mark !== place.dataset.mark) {
        const now = `${news.mark}${Math.floor(Date.now() / 6000)}`; // again after 6 s, in case it was lost
        if (pressed !== now) document.getElementById('refresh').click();
        pressed = now;
        shown = '';
        return;
      }
      shown = news.progress;
      if (news.job) put(news.job);
      if (news.so_far) document.dispatchEvent(new CustomEvent('so-far', { detail: news.so_far })); // see film.js
      for (const [job, text] of Object.entries(news.notes || {})) {
        document.querySelectorAll(`[data-live="${job}"]`).forEach((note) => { note.textContent = text; });
      }
    } catch (error) { /* the server is away for a moment; the next round tries again */ } finally { asking = false; }
  }

  function put(html) { // within the panel's own element: Gradio keeps count of the element itself
    const now = document.querySelector('#job .job'), template = document.createElement('template');
    template.innerHTML = html;
    const next = template.content.querySelector('.job');
    if (!now || !next || now.dataset.state !== next.dataset.state || now.dataset.job !== next.dataset.job) return;
    if (now.contains(document.activeElement)) next.querySelectorAll('.actions').forEach((part) => part.remove());
    for (const part of next.children) {
      const old = [...now.children].find((child) => child.className === part.className);
      if (old && !part.classList.contains('actions')) old.innerHTML === part.innerHTML || (old.innerHTML = part.innerHTML);
      else if (!old) now.querySelector('.actions').before(part.cloneNode(true));
      if (old && part.getAttribute('aria-valuenow') !== null) old.setAttribute('aria-valuenow', part.getAttribute('aria-valuenow'));
    }
  }

  setInterval(pulse, LOOK_MS);
  document.addEventListener('visibilitychange', pulse);

  // Whether the model knows who is named: asked once the names have stood still for a moment, and again when photos were added.
  const STILL_MS = 1000;
  let named = '', namedAt = 0, askedAbout = '';

  function askWhetherKnown() {
    const photos = [...document.querySelectorAll('[data-photos]')].map((set) => set.dataset.photos);
    const now = names() && lines().length ? JSON.stringify([lines(), photos]) : '';
    if (now !== named) [named, namedAt] = [now, performance.now()];
    if (named === askedAbout || performance.now() - namedAt < STILL_MS) return;
    askedAbout = named;
    document.getElementById('ask-known').click();
  }

  setInterval(askWhetherKnown, LOOK_MS);

  // Answers of the server carry a number, their turn. If one does not follow the previous one, some were lost or came in the wrong
  // order, and an older one may hide a newer one: as soon as no answer arrives any more, the page asks for everything.
  const QUIET_MS = 1000, AGAIN_MS = 6000, LONGEST_MS = 120000;
  let latest = 0, crossed = false, waiting = 0, pause = QUIET_MS;

  function repaint() {
    pause = Math.min(2 * pause, LONGEST_MS); // a server that is away is not asked every second
    document.getElementById('repaint').click();
    waiting = setTimeout(repaint, Math.max(pause, AGAIN_MS)); // again, in case it was lost
  }

  function count(turn, everything) {
    if (everything && turn > latest) crossed = false;
    else if (latest && turn !== latest + 1) crossed = true;
    latest = Math.max(latest, turn);
    clearTimeout(waiting);
    if (crossed) waiting = setTimeout(repaint, pause);
    else pause = QUIET_MS;
  }

  function remember(json, scroll) { // the address names the job that is shown, so that a reload comes back to it
    try { memory = JSON.parse(json); } catch (error) { /* an answer without memory */ }
    keep();
    const url = new URL(location.href);
    if (memory.job && memory.job !== 'prepared') url.searchParams.set('job', memory.job);
    else url.searchParams.delete('job');
    history.replaceState(null, '', url);
    mark();
    const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
    if (scroll) document.getElementById('forgetting')?.scrollIntoView({ behavior, block: 'start' });
  }

  // Coming back to a job that is still at work opens at the job, unless the visitor has gone somewhere else meanwhile. Nothing else
  // scrolls by itself.
  const OPEN_WITHIN_MS = 3000;
  let opened = false, moved = false;
  for (const kind of ['wheel', 'touchmove', 'keydown', 'pointerdown']) window.addEventListener(kind, () => { moved = true; }, { once: true, passive: true });

  function openAtJob(until) {
    const job = document.querySelector(`#job .job[data-job="${CSS.escape(memory.job)}"]`);
    if (!job && !moved && performance.now() < until) setTimeout(() => openAtJob(until), 100);
    if (job && !moved && ['queued', 'running'].includes(job.dataset.state)) document.getElementById('forgetting').scrollIntoView({ block: 'start' });
  }

  // Buttons inside our HTML say in data attributes what they do; one listener a panel tells the server. Some ask for a second press.
  const ARMED_MS = 5000;

  function act(panel, trigger) {
    panel.addEventListener('click', (event) => {
      const button = event.target.closest('[data-action]');
      if (!button || button.disabled) return;
      if (button.dataset.confirm && !button.dataset.armed) {
        button.dataset.armed = '1';
        button.dataset.label = button.textContent;
        button.textContent = button.dataset.confirm;
        setTimeout(() => { delete button.dataset.armed; button.textContent = button.dataset.label; }, ARMED_MS);
        return;
      }
      const ticked = [...panel.querySelectorAll('[data-compare]:checked')].map((box) => box.dataset.compare);
      const { action, job = '', value = '' } = button.dataset;
      trigger('click', { action, job, value, ticked });
    });
  }

  window.unlearn = {
    act,
    memory: () => JSON.stringify({ ...memory, page }),
    answered(json, pulse, how) {
      remember(json, how.scroll);
      if (!opened && memory.job) openAtJob(performance.now() + OPEN_WITHIN_MS);
      opened = true;
      count(Number((/data-turn="(\d+)"/.exec(pulse) || [])[1] || 0), how.everything);
    },
  };
})();
