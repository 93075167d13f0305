// The presenter's mode: the same page, one idea a screen. The style sheet shows what belongs to the slide that <html data-slide> names.
(() => {
  const root = document.documentElement;
  const TABS = { before: 'portraits', after: 'portraits', room: 'room', opponent: 'opponent', numbers: 'numbers' }; // slide -> tab that it shows
  const bar = () => document.querySelector('.presenter');
  const buttons = () => [...bar().querySelectorAll('[data-slide-to]')];
  let place = 0; // how far the page was scrolled before

  function show(slide) {
    const shown = buttons().find((button) => button.dataset.slideTo === slide);
    root.dataset.slide = slide;
    bar().hidden = false;
    for (const button of buttons()) button.setAttribute('aria-current', button === shown ? 'step' : 'false');
    bar().querySelector('[data-slide-said]').textContent = shown.textContent;
    if (TABS[slide]) document.getElementById(`tab-${TABS[slide]}-button`)?.click();
    window.scrollTo(0, 0);
  }

  function start() {
    place = window.scrollY;
    show(buttons()[0].dataset.slideTo);
    bar().focus();
    root.requestFullscreen?.().catch(() => {}); // a frame of another site may refuse: then the window is the screen
  }

  function leave() {
    if (root.dataset.slide === undefined) return;
    delete root.dataset.slide;
    bar().hidden = true;
    if (document.fullscreenElement) document.exitFullscreen();
    window.scrollTo(0, place);
    document.querySelector('[data-present]').focus({ preventScroll: true });
  }

  function turn(by) {
    const order = buttons().map((button) => button.dataset.slideTo);
    const next = order.indexOf(root.dataset.slide) + by;
    if (next >= 0 && next < order.length) show(order[next]);
  }

  // Keys that the focused element uses itself stay with it; a remote control sends PageUp and PageDown, which only long texts use.
  const TURNS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 1, PageUp: -1 };
  const isUsed = (event) => event.target.matches?.('textarea, select, [contenteditable], [role="tab"], [role="option"], [role="listbox"]')
    || (event.target.matches?.('input') && !event.key.startsWith('Page'));

  document.addEventListener('keydown', (event) => {
    if (root.dataset.slide === undefined || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key === 'Escape') leave();
    if (!TURNS[event.key] || event.defaultPrevented || isUsed(event)) return;
    event.preventDefault();
    turn(TURNS[event.key]);
  });

  document.addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) leave(); }); // Escape, in full screen, ends up here only

  document.addEventListener('click', (event) => {
    const target = event.target.closest ? event.target : null;
    if (!target) return;
    const slide = target.closest('[data-slide-to]'), step = target.closest('[data-turn-by]');
    if (target.closest('[data-present]')) start();
    if (slide) show(slide.dataset.slideTo);
    if (step) turn(Number(step.dataset.turnBy));
    if (target.closest('[data-leave]')) leave();
    if (root.dataset.slide === 'who' && target.closest('#start, #example')) show('forgetting');
  });
})();
