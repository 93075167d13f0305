// The presenter's side of a room: the address that phones open, and the live tally and board.
(() => {
  const LOOK_MS = 1500;
  let asking = false;

  document.addEventListener('click', (event) => { // before the panel's own listener tells the server
    const button = event.target.closest && event.target.closest('[data-room-open]');
    if (!button) return;
    const person = document.querySelector('[data-room-person]')?.value || button.dataset.person;
    button.dataset.value = `${person} ${location.origin}${location.pathname.replace(/\/*$/, '/')}`;
  }, true);

  async function look() {
    const board = document.querySelector('[data-room-board]');
    if (!board || asking || document.hidden || !board.offsetParent) return;
    asking = true;
    try {
      const answer = await fetch(`room-board/${board.dataset.roomBoard}`, { cache: 'no-store' });
      if (answer.status === 404) { // closed in another tab, or the server was started anew
        board.removeAttribute('data-room-board');
        document.getElementById('refresh').click();
      } else if (answer.ok) {
        const html = await answer.text();
        if (html !== board.told) board.innerHTML = html;
        board.told = html;
      }
    } catch (error) { /* the server is away for a moment; the next round tries again */ } finally { asking = false; }
  }

  setInterval(look, LOOK_MS);
})();
