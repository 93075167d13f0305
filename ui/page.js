// What the page does by itself, without the server: picking people, switching views, sliders, links.
(() => {
  const names = () => document.querySelector('#names textarea');
  const lines = () => names().value.split('\n').map((line) => line.trim()).filter(Boolean);

  function write(list) {
    const box = names();
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(box, list.join('\n'));
    box.dispatchEvent(new Event('input', { bubbles: true }));
    mark();
  }

  function mark() { // the pictures show who is in the list, however the name got there
    if (!names()) return;
    const chosen = new Set(lines().map((line) => line.split('|')[0].trim().toLowerCase()));
    document.querySelectorAll('.person').forEach((button) => {
      const name = button.dataset.name.split('|')[0].toLowerCase();
      button.setAttribute('aria-pressed', chosen.has(name) ? 'true' : 'false');
    });
  }

  function pick(button) {
    const wanted = button.dataset.name, name = wanted.split('|')[0].toLowerCase();
    const rest = lines().filter((line) => line.split('|')[0].trim().toLowerCase() !== name);
    write(rest.length < lines().length ? rest : [...rest, wanted]);
  }

  document.addEventListener('click', (event) => {
    const target = event.target.closest ? event.target : null;
    if (!target) return;
    const person = target.closest('.person'), copy = target.closest('[data-copy]');
    if (person) pick(person);
    if (target.closest('[data-dismiss]')) target.closest('.notice').remove();
    if (copy) {
      const link = new URL(copy.dataset.copy, location.href.split('?')[0]).href;
      const said = copy.textContent;
      const done = () => { copy.textContent = 'Copied'; setTimeout(() => { copy.textContent = said; }, 2000); };
      if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(link).then(done);
      else window.prompt('The link to this job:', link);
    }
  });

  document.addEventListener('input', (event) => {
    if (event.target.matches('#names textarea')) mark();
    if (event.target.matches('[data-cut]')) {
      event.target.closest('.stack').style.setProperty('--cut', `${event.target.value}%`);
    }
  });

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

  window.unlearn = {
    remember(memory, scroll) { // keep the address in step with what is shown, so that a reload comes back to it
      const url = new URL(location.href);
      if (memory && memory.job && memory.job !== 'prepared') url.searchParams.set('job', memory.job);
      else url.searchParams.delete('job');
      history.replaceState(null, '', url);
      mark();
      if (scroll) document.getElementById('forgetting')?.scrollIntoView({ behavior: 'smooth', block: 'start' });
    },
  };
})();
