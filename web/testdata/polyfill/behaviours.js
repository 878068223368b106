// What a page can see of a WebSocket, following the WHATWG WebSockets standard.
// Each returns what it saw; whoever serves it, that has to be the same.

const ECHO = '/echo';

/** An open socket at the echo, which also tells the time: only texts that begin with > are noted. */
async function opened(path = ECHO) {
  const socket = new WebSocket(at(path));
  socket.heard = [];
  socket.addEventListener('message', ({ data }) => typeof data === 'string' && data.startsWith('>') && socket.heard.push(data));
  await next(socket, 'open');
  return socket;
}

const closing = ({ code, reason, wasClean }) => `${code} ${reason} ${wasClean}`;

/** The name of what the constructor throws, or the address of what it makes. */
function constructed(...args) {
  return outcome(() => {
    const socket = new WebSocket(...args);
    socket.onopen = () => socket.close();
    return socket.url;
  });
}

/** Ends a socket while it connects, and returns all that it said. */
async function abandoned(...how) {
  const socket = new WebSocket(at(ECHO));
  const list = follow(socket);
  const thrown = outcome(() => socket.close(...how));
  const state = socket.readyState;
  if (thrown !== 'undefined') socket.close();
  await next(socket, 'close');
  return [thrown, state, socket.readyState, ...list];
}

/** Ends an open socket, and returns how. */
async function ended(...how) {
  const socket = await opened();
  const thrown = outcome(() => socket.close(...how));
  if (thrown !== 'undefined') socket.close();
  const state = socket.readyState;
  const event = await next(socket, 'close');
  return [thrown, state, socket.readyState, closing(event)];
}

/** What the server does about something that is sent. */
async function answered(message) {
  const socket = await opened();
  const list = [];
  socket.addEventListener('error', () => list.push('error'));
  socket.send(message);
  return [closing(await next(socket, 'close')), ...list];
}

const behaviours = {
  'the interface': () => {
    const socket = new WebSocket(at(ECHO));
    socket.onopen = () => socket.close();
    const names = [];
    for (const name in WebSocket.prototype) names.push(name);
    return [
      WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED,
      socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED,
      outcome(() => { 'use strict'; WebSocket.OPEN = 5; }), WebSocket.name, WebSocket.length,
      WebSocket.prototype.send.length, WebSocket.prototype.close.length,
      String(socket), socket instanceof WebSocket, socket instanceof EventTarget,
      typeof globalThis.WebSocket, Object.keys(globalThis).includes('WebSocket'),
      names.filter(name => name !== 'transport' && name !== 'roundTrip').sort().join(),
      Object.keys(socket).join(),
    ];
  },

  'a new socket': () => {
    const socket = new WebSocket(at(ECHO));
    socket.addEventListener('open', () => socket.close());
    return [socket.readyState, socket.bufferedAmount, socket.protocol, socket.extensions, socket.binaryType,
      socket.onopen, socket.onmessage, socket.onerror, socket.onclose];
  },

  'called wrongly': () => [
    outcome(() => new WebSocket()), outcome(() => WebSocket(at(ECHO))), constructed(Symbol('x')),
    outcome(() => WebSocket.prototype.send.call({}, 'x')), outcome(() => WebSocket.prototype.readyState),
    outcome(() => WebSocket.prototype.send.call({})), outcome(() => WebSocket.prototype.close.call({}, 1)),
    ...['url', 'binaryType', 'onopen'].map(name => outcome(() => Object.getOwnPropertyDescriptor(WebSocket.prototype, name).get.call({}))),
    ...['blob', 'nothing', null].map(type => outcome(() => { Object.getOwnPropertyDescriptor(WebSocket.prototype, 'binaryType').set.call({}, type); })),
    outcome(() => { Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onopen').set.call({}, null); }),
  ],

  'a page that redefines what it sees': async () => {
    const mine = () => { throw new Error('of the page'); };
    const socket = new class extends WebSocket {
      get url() { return mine(); }
      get readyState() { return mine(); }
      get bufferedAmount() { return mine(); }
      get binaryType() { return mine(); }
    }(at(ECHO));
    const heard = [];
    for (const name of ['dispatchEvent', 'addEventListener', 'removeEventListener', 'protocol', 'onerror']) {
      Object.defineProperty(socket, name, { get: mine });
    }
    socket.onmessage = ({ data }) => heard.push(data);
    await new Promise(open => { socket.onopen = open; });
    socket.send('>x');
    await until(() => heard.includes('>x'));
    const closed = new Promise(done => { socket.onclose = done; });
    socket.close(3001);
    return closing(await closed);
  },

  'addresses': () => [
    '/echo', 'echo', '?a=b', '//127.0.0.1:1/x', 'http://127.0.0.1:9', 'HTTPS://127.0.0.1:9/', 'ws://127.0.0.1:80/', 'wss://127.0.0.1:443/',
    'ws://127.0.0.1:9/a b?ü#', 'ws://127.0.0.1:9/#x', 'ws://127.0.0.1:9/a b?ü', 'ws:', 'ws://', 'ws://[', 'ws://a b/', 'ws://127.0.0.1:99999/', 'ftp://127.0.0.1/', 'mailto:x@127.0.0.1',
    'javascript:0', 'about:blank', 'ws:/127.0.0.1:9/x', 'ws://user:secret@127.0.0.1:9/', ' ws://127.0.0.1:9/ ', '#x', 'data:,x', 'blob:x', null, undefined, {}, 5,
    new URL('ws://127.0.0.1:9/u'),
  ].map(address => constructed(address)),

  'subprotocols': () => [
    [], ['a'], ['a', 'b'], 'a', '', ['a', 'a'], ['a', 'A'], ['a b'], ['a,b'], ['ä'], [''], 'a\u007f', 'a/b', 'a"b', '!#$%&\'*+-.^_`|~09azAZ',
    null, undefined, 5, [5, null], {}, [['a']], new Set(['a', 'b']), { toString: () => 'a' }, Symbol('x'), [Symbol('x')],
  ].map(protocols => constructed(at(ECHO), protocols)),

  'a subprotocol that the server does not speak': async () => {
    const socket = new WebSocket(at('/connection/websocket'), ['a', 'b']);
    const list = follow(socket);
    await next(socket, 'close');
    return [...list, socket.protocol, socket.readyState];
  },

  'subprotocols of which the server chooses one': async () => {
    const chosen = [];
    for (const [path, offered] of [[ECHO, ['b', 'a']], ['/connection/websocket', ['other', 'centrifuge-json']]]) {
      const socket = new WebSocket(at(path), offered);
      await next(socket, 'open');
      chosen.push(socket.protocol);
      socket.close();
      await next(socket, 'close');
    }
    return chosen;
  },

  'sending too early': () => {
    const socket = new WebSocket(at(ECHO));
    socket.onopen = () => socket.close();
    return [outcome(() => socket.send('x')), outcome(() => socket.send()), outcome(() => socket.send(Symbol('x'))), socket.bufferedAmount];
  },

  'sending too late': async () => {
    const socket = await opened();
    socket.close();
    const closing = [socket.readyState, outcome(() => socket.send('late')), socket.bufferedAmount >= 4];
    await next(socket, 'close');
    const before = socket.bufferedAmount;
    return [...closing, outcome(() => socket.send(new Uint8Array(10))), socket.bufferedAmount - before >= 10, outcome(() => socket.send())];
  },

  'closing while it connects': () => abandoned(),
  'closing with a code while it connects': () => abandoned(3333, 'why'),
  'closing wrongly while it connects': () => abandoned(1001),

  'closing': () => ended(),
  'closing with a code': () => ended(3210),
  'closing with a code and a reason': () => ended(4999, 'bye, näctar'),
  'closing with 1000': () => ended(1000, ''),
  'closing with undefined': () => ended(undefined, undefined),
  'closing with a reason of 123 bytes': () => ended(1000, 'ä'.repeat(61) + 'a'),
  'closing with a reason of 124 bytes': () => ended(1000, 'ä'.repeat(62)),

  'what close takes': async () => {
    const codes = [0, 999, 1001, 1005, 1006, 1015, 2999, 5000, -1, 70000, 1e9, NaN, null, 'x', '', true, 3000n, {}];
    const socket = await opened();
    const thrown = codes.map(code => outcome(() => socket.close(code)));
    socket.close('3000');
    return [...thrown, closing(await next(socket, 'close'))];
  },

  'closing twice': async () => {
    const socket = await opened();
    const list = follow(socket);
    socket.close(3001);
    socket.close(3002);
    outcome(() => socket.close(1));
    await next(socket, 'close');
    socket.close(3003);
    await new Promise(soon => setTimeout(soon, 100));
    return list.filter(line => !line.startsWith('message'));
  },

  'the server closes': () => answered('quit'),
  'a message that is too long': () => answered('x'.repeat(100_000)),
  'an ArrayBuffer': () => answered(new ArrayBuffer(3)),
  'a typed array': () => answered(new Uint8Array([1, 2, 3]).subarray(1)),
  'a DataView': () => answered(new DataView(new ArrayBuffer(1))),
  'a Blob': () => answered(new Blob(['binary'])),

  'closing after something binary': async () => {
    const socket = await opened();
    socket.send(new Uint8Array(1));
    socket.close(3001);
    return closing(await next(socket, 'close'));
  },

  'texts and what becomes one': async () => {
    const socket = await opened();
    const lone = '\ud800', texts = ['', '\n', '\r\n', '\u0000', 'ä€😀', '"\\', `a${lone}b`, '\u2028', '[]', 5, null, undefined, true, {}, [1, 2], new Date(0).getTime()];
    const heard = [];
    socket.addEventListener('message', ({ data }) => / GMT$|left$/.test(data) || heard.push(data));
    texts.forEach(text => socket.send(text));
    socket.send('end');
    await until(() => heard.includes('end'));
    socket.close();
    return heard;
  },

  'order': async () => {
    const socket = await opened();
    for (let i = 0; i < 200; i++) socket.send(`>${i}`);
    await until(() => socket.heard.length === 200);
    socket.close();
    return socket.heard.map((text, i) => text === `>${i}`).every(Boolean);
  },

  'all that was sent before closing arrives': async () => {
    const channel = `/ws/chat-${Math.random()}`;
    const [from, to] = [await opened(channel), await opened(channel)];
    for (let i = 0; i < 50; i++) from.send(`>${i}`);
    from.close();
    await until(() => to.heard.length === 50);
    to.close();
    return [to.heard.at(-1), from.heard.length <= 50];
  },

  'bufferedAmount': async () => {
    const socket = await opened();
    const amounts = [socket.bufferedAmount];
    for (const data of ['>abc', '>ä€', `>${'x'.repeat(1000)}`]) {
      socket.send(data);
      amounts.push(socket.bufferedAmount);
    }
    await until(() => socket.heard.length >= 1);
    amounts.push(socket.bufferedAmount);
    await until(() => socket.heard.length === 3);
    socket.send(new ArrayBuffer(7));
    amounts.push(socket.bufferedAmount);
    await next(socket, 'close');
    return amounts;
  },

  'events': async () => {
    const socket = new WebSocket(at(ECHO));
    const list = [];
    const shape = event => [event.type, event.constructor.name, event.target === socket, event.currentTarget === socket, event.bubbles, event.cancelable, event.eventPhase];
    socket.onopen = event => { list.push(shape(event), socket.readyState); socket.send('>x'); };
    socket.onmessage = event => {
      if (event.data !== '>x') return;
      list.push(shape(event), event.origin === at(''), event.lastEventId, event.source, event.ports.length, socket.readyState);
      socket.close(3000);
    };
    socket.onclose = event => list.push(shape(event), closing(event), socket.readyState);
    await next(socket, 'close');
    return list.flat();
  },

  'events of a failure': async () => {
    const socket = new WebSocket(at('/nothing/here'));
    const list = [];
    for (const type of ['open', 'error', 'close']) {
      socket.addEventListener(type, event => list.push(event.type, event.constructor.name, event.bubbles, event.cancelable, socket.readyState));
    }
    const event = await next(socket, 'close');
    return [...list, closing(event)];
  },

  'a server that is not there': async () => {
    const nobody = new URLSearchParams(location.search).get('nobody');
    const socket = new WebSocket(`ws://127.0.0.1:${nobody}/`);
    const list = follow(socket);
    await next(socket, 'close');
    return list;
  },

  'handlers and listeners': async () => {
    const list = [], note = name => () => list.push(name);
    const socket = new WebSocket(at(ECHO));
    socket.onopen = note('replaced');
    socket.addEventListener('open', note('first'));
    socket.onopen = note('handler, at the place of the replaced');
    const same = note('same');
    socket.addEventListener('open', same);
    socket.addEventListener('open', same);
    const gone = note('gone');
    socket.addEventListener('open', gone);
    socket.removeEventListener('open', gone);
    socket.addEventListener('open', { handleEvent: note('object') });
    socket.onerror = note('never');
    socket.onerror = null;
    socket.onmessage = 5;
    list.push(socket.onerror, socket.onmessage, typeof socket.onopen);
    socket.onclose = note('moved');
    socket.addEventListener('close', note('close'));
    socket.onclose = null;
    socket.onclose = function handler() { list.push(this === socket); };
    await next(socket, 'open');
    socket.close();
    await next(socket, 'close');
    return list;
  },

  'what a listener has promised is done before the next message': async () => {
    const socket = await opened();
    const list = [];
    socket.onmessage = async ({ data }) => {
      if (!data.startsWith('>')) return;
      list.push(data);
      for (let i = 0; i < 5; i++) await null;
      list.push(`${data} done`);
    };
    for (let i = 0; i < 5; i++) socket.send(`>${i}`);
    await until(() => list.length === 10);
    socket.close();
    return list;
  },

  'a listener that throws': async () => {
    const socket = await opened();
    const thrown = [];
    addEventListener('error', event => { thrown.push(event.message); event.preventDefault(); }, { once: true });
    socket.onmessage = () => { socket.onmessage = null; throw new Error('mine'); };
    socket.send('>1');
    socket.send('>2');
    await until(() => socket.heard.length === 2);
    socket.close();
    return [...thrown, ...socket.heard];
  },

  'nothing comes after close': async () => {
    const socket = await opened();
    for (let i = 0; i < 20; i++) socket.send(`>${i}`);
    socket.addEventListener('message', ({ data }) => data === '>3' && socket.close());
    await next(socket, 'close');
    return socket.heard;
  },

  'closing as soon as it is open': async () => {
    const socket = new WebSocket(at(ECHO));
    const list = follow(socket);
    socket.onopen = () => socket.close(4000, 'at once');
    await next(socket, 'close');
    return list;
  },

  'binaryType': async () => {
    const socket = await opened();
    const list = [];
    for (const type of ['arraybuffer', 'nothing', '', null, 'blob', 'ARRAYBUFFER', { toString: () => 'arraybuffer' }, ['blob'], 'arraybuffer']) {
      socket.binaryType = type;
      list.push(socket.binaryType);
    }
    socket.send('>text stays text');
    await until(() => socket.heard.length);
    socket.close();
    return [...list, ...socket.heard];
  },

  'read only': () => {
    'use strict';
    const socket = new WebSocket(at(ECHO));
    socket.onopen = () => socket.close();
    return ['url', 'readyState', 'bufferedAmount', 'protocol', 'extensions', 'OPEN'].map(name => outcome(() => { socket[name] = 'x'; }));
  },

  'a class of the page': async () => {
    class Mine extends WebSocket {
      constructor(path) { super(at(path)); this.mine = true; }
      send(text) { super.send(`>${text}`); }
    }
    const socket = new Mine(ECHO), heard = [];
    socket.onmessage = ({ data }) => heard.push(data);
    await next(socket, 'open');
    socket.send('x');
    await until(() => heard.includes('>x'));
    socket.close();
    return [socket instanceof WebSocket, socket instanceof Mine, socket.mine, closing(await next(socket, 'close'))];
  },

  'many at once': async () => {
    const sockets = await Promise.all([1, 2].map(() => opened()));
    sockets.forEach((socket, i) => socket.send(`>${i}`));
    await until(() => sockets.every(socket => socket.heard.length === 1));
    sockets.forEach(socket => socket.close());
    return sockets.map(socket => socket.heard[0]);
  },
};

/** Runs one, and returns what it saw as lines. */
async function behave(name) {
  try {
    return [await behaviours[name]()].flat().map(String);
  } catch (error) {
    return [`${error.name}: ${error.message}`];
  }
}
