// The query of the page says what it is like:
//   force=…   WEBSOCKET_FORCE_FALLBACK
//   without   there is no WebSocket
//   native    there is no websocket.js
//   nobody=…  a port that nobody listens on
{
  const query = new URLSearchParams(location.search);
  if (query.has('force')) globalThis.WEBSOCKET_FORCE_FALLBACK = query.get('force') === 'true' || query.get('force');
  if (query.has('without')) delete globalThis.WebSocket;
  globalThis.WEBSOCKET_DEBUG = true;
  globalThis.logged = []; // what websocket.js said
  console.log = (...what) => logged.push(what.join(' '));
  if (!query.has('native')) document.write('<script src="/websocket.js"></' + 'script>');
}

/** The address of an endpoint of this host. */
const at = path => `${location.protocol.replace('http', 'ws')}//${location.host}${path}`;

/** Follows a socket: all that it says is put in a list. */
function follow(socket, list = []) {
  const note = (...what) => list.push(what.join(' '));
  socket.addEventListener('open', () => note('open'));
  socket.addEventListener('message', event => note('message', event.data));
  socket.addEventListener('error', () => note('error'));
  socket.addEventListener('close', event => note('close', event.code, event.reason, event.wasClean));
  return list;
}

/** Resolves with the next event of a type; rejects after a while, or when the socket closes before. */
function next(target, type) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`no ${type}`));
    const late = setTimeout(fail, 50_000);
    target.addEventListener(type, event => { clearTimeout(late); resolve(event); }, { once: true });
    if (type !== 'close') target.addEventListener('close', fail, { once: true });
  });
}

/** Waits until a condition holds; rejects after a while. */
async function until(condition, what = condition) {
  for (const end = performance.now() + 50_000; !condition();) {
    if (performance.now() > end) throw new Error(`never so: ${what}`);
    await new Promise(soon => setTimeout(soon, 10));
  }
}

/** The name of what a function throws, or what it returns as a string. */
function outcome(f) {
  try {
    return String(f());
  } catch (error) {
    return error.name;
  }
}
