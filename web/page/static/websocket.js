/**
 * websocket.js: `new WebSocket()` that also works where WebSocket does not.
 *
 *   <script src="/websocket.js"></script>      before any script that uses WebSocket
 *
 * Where WebSocket works it is used, and nothing changes. Where it is missing, or a
 * connection cannot be opened, the same object carries on over plain HTTP with a
 * Belfry server: as an event stream, an HTTP stream or long-polling, whichever gets
 * through, and with POST upwards. Properties, events, close codes and exceptions
 * are those of the WHATWG WebSockets standard.
 *
 * Options, read whenever a socket is made:
 *
 *   WEBSOCKET_FORCE_FALLBACK = true       leave WebSocket out
 *   WEBSOCKET_FORCE_FALLBACK = 'stream'   use only this: 'events', 'stream', 'poll' or 'websocket'
 *   WEBSOCKET_DEBUG = true                say on the console what is tried
 *
 * Beside the standard a socket has `transport`, the name of what it uses ('' until
 * that is known), an event of that name for each change, and `roundTrip`, how many
 * milliseconds the last request upwards took (NaN until then, and with WebSocket).
 * `WebSocket.native` is the browser's own constructor, or null.
 */
(() => {
  'use strict';

  const Native = globalThis.WebSocket ?? null;
  if (Native?.native !== undefined) return; // loaded twice

  const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;

  // All times are in milliseconds.
  const NATIVE_WAIT = 3_000; // for a WebSocket to open, before HTTP is tried beside it
  const OPEN_WAIT = 1_500; // for the first line of a stream that opens a session
  const TRIAL_MIN = 1_000; // the same for one that would take a session over: ten times
  const TRIAL_MAX = 2_500; // what opening took, between these
  const POLL_WAIT = 10_000; // for what is tried last
  const RESUME_WAIT = 10_000; // for the first line of a transport that has worked before
  const SILENCE = 25_000; // the server pings streams every 10 s
  const HOLD = 35_000; // the server answers a poll within 25 s
  const SEND_WAIT = 20_000;
  const ACK_WAIT = 15_000; // the longest that the server has to keep what we have
  const ACK_SIZE = 64 * 1024; // characters
  const AWAY = 30_000; // after which the server forgets a session that nobody asks for
  const CLOSE_WAIT = 10_000; // for the server to hear that we close
  const CLOSE_LINE_WAIT = 2_000; // and then for its answer
  const SHORT = 1_000; // a request that ends sooner and brought nothing has failed
  const BACKOFF_MIN = 100;
  const BACKOFF_MAX = 5_000;
  const BATCH = 256 * 1024; // bytes in one request upwards, unless one message is larger
  const BEACON = 20 * 1024; // characters that may leave when the page goes: browsers take 64 KiB
  const REMEMBER = 10 * 60_000;
  const MEMORY = 'websocket.js'; // key of the session storage
  const CROWD = 5; // sessions of a page with one host that may hold all connections to it
  const TURN = 500; // how long one of a crowd may hold a connection that another waits for
  const LONG_TURN = 2_000; // the same where it may be the server that is slow

  const SESSION = 'Belfry-Session'; // header that says what a query could

  const ABNORMAL = { code: 1006, reason: '', failed: true };
  const CODE_NONE = 1005;
  const CODE_GOING_AWAY = 1001;
  const CODE_TOO_BIG = 1009;

  const encoder = new TextEncoder();

  function log(...what) {
    if (globalThis.WEBSOCKET_DEBUG) console.log('websocket.js:', ...what);
  }

  // -- Tasks --------------------------------------------------------------------

  // Each event comes in a task of its own, as the browser's do, so that what one
  // listener has promised is done before the next message. Timers would be slowed
  // down by the browser; this is not.
  const tasks = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => tasks.shift()();

  function queueTask(task) {
    tasks.push(task);
    port2.postMessage(null);
  }

  // -- What worked ----------------------------------------------------------------

  // The choice is kept for the page and, where there is a session storage, for its
  // successors in the same tab; and not for long, since networks change. Whoever
  // has had a WebSocket to a host tries that first again.
  const memory = recallAll();

  function recallAll() {
    try {
      return new Map(Object.entries(JSON.parse(sessionStorage.getItem(MEMORY)) ?? {}));
    } catch {
      return new Map(); // storage is forbidden here, or holds something else
    }
  }

  /** What worked with a host lately: the name of a transport, or undefined. */
  function recall(host) {
    const { transport, until } = memory.get(host) ?? {};
    return until > Date.now() && ['websocket', ...AVAILABLE].includes(transport) ? transport : undefined;
  }

  /** Notes what works; an empty name forgets. */
  function remember(host, transport) {
    if (transport) memory.set(host, { transport, until: Date.now() + REMEMBER });
    else memory.delete(host);
    try {
      sessionStorage.setItem(MEMORY, JSON.stringify(Object.fromEntries(memory)));
    } catch {
      // The page still knows.
    }
  }

  // -- Transports -------------------------------------------------------------------

  // Each asks for lines once. It calls `on.line(text)` for each and, when there are
  // no more, `on.ended(status)`: the status of HTTP, or 0 when the request broke or
  // nothing is known. What is returned stops it; after that it ends without a word.
  // A target is a {url} and, where they can be set, {headers} or the {head} of a body.

  const TRANSPORTS = { events, stream, poll };
  const AVAILABLE = Object.keys(TRANSPORTS).filter(name => ({
    events: 'EventSource' in globalThis,
    stream: 'body' in Response.prototype,
    poll: true,
  }[name]));

  function events({ url }, on) {
    const source = new EventSource(url, { withCredentials: true });
    source.onmessage = ({ data }) => on.line(data);
    source.onerror = () => {
      source.close(); // by itself it would come back without saying what it has
      on.ended(0);
    };
    return () => source.close();
  }

  function stream(target, on) {
    return request(target, '', async response => {
      if (response.ok) await eachLine(response.body.getReader(), on.line);
    }, on.ended);
  }

  function poll(target, on) {
    return post(target, '', (status, text) => {
      if (status === 200) text.split('\n').slice(0, -1).forEach(line => on.line(line));
      on.ended(status);
    });
  }

  /** Posts; `done(status, text)` gets the whole answer. Returns what stops it. */
  function post(target, body, done) {
    let text = '';
    return request(target, body, async response => { text = await response.text(); }, status => done(status, text));
  }

  /** Posts, has the answer read, and calls `done(status)`, with 0 when it broke. Returns what stops it. */
  function request({ url, headers, head = '' }, body, read, done) {
    const control = new AbortController();
    const { signal } = control;
    // With cookies, as WebSocket would: there may be a proxy in between that wants them.
    fetch(url, { method: 'POST', headers, body: head + body, cache: 'no-store', credentials: 'include', redirect: 'error', signal })
      .then(response => read(response).then(() => response.status))
      .catch(() => 0)
      .then(status => signal.aborted || done(status));
    return () => control.abort();
  }

  /** Reads lines as they come. A last one without an end is dropped: it was cut. */
  async function eachLine(reader, line) {
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop();
      lines.forEach(text => line(text));
    }
  }

  /** Whether a status says that the server will not have us, now or later. */
  function isRefusal(status) {
    return status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  }

  /** How long to wait after so many failures. */
  function backoff(failures) {
    return Math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ** failures) * (0.5 + Math.random() / 2);
  }

  function parse(text) {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }

  // -- Upwards -------------------------------------------------------------------------

  /**
   * The lines of a session on their way to the server: numbered from 1, one request
   * at a time, the next one with all that has gathered meanwhile. A request whose
   * answer was lost is made again, and the server drops what it has had.
   *
   * `on.sending(size)` tells of what goes into a request for the first time,
   * `on.answered(milliseconds)` of each request, `on.taken(last)` of what the server
   * has, and `on.refused(status)` that it wants no more.
   */
  class Upstream {
    #target; // (first, bare) → target; bare: without headers
    #on;
    #lines = []; // [text, size], which the server does not have, as far as we know
    #first = 1; // number of the first of them
    #sent = 0; // how many of them have been in a request
    #due = false; // ask even if there is nothing to send
    #busy = false; // a request is under way, or will be made again; or all is over
    #since = Infinity; // when the request under way was made
    #failures = 0;
    #stop = () => {}; // stops the request
    #timer = 0; // of the request, or until the next

    constructor(target, on) {
      this.#target = target;
      this.#on = on;
    }

    /** Sends a line after those before, and returns its number. Its size counts in `sending`. */
    push(line, size) {
      this.#lines.push([line, size]);
      if (this.#lines.length === 1) queueMicrotask(() => this.#next()); // with all that comes in this task
      return this.#first + this.#lines.length - 1;
    }

    /** Asks the server even without a line: to tell what we have, and hear whether it knows us. */
    ask() {
      this.#due = true;
      this.#next();
    }

    /** How long the request under way has had no answer. */
    get waiting() { return performance.now() - this.#since; }

    /** Gives everything up. */
    stop() {
      this.#busy = true;
      this.#since = Infinity;
      this.#stop();
      clearTimeout(this.#timer);
    }

    /** What the server may not have, and some lines more, as one last request. */
    last(...more) {
      const lines = [...this.#lines.map(([text]) => text), ...more];
      return { url: this.#target(this.#first, true).url, body: lines.join('\n') };
    }

    #next() {
      if (!this.#busy && (this.#due || this.#lines.length)) this.#post();
    }

    #post() {
      this.#busy = true;
      this.#due = false;
      const since = this.#since = performance.now();
      const batch = this.#batch();
      this.#on.sending(this.#lines.slice(this.#sent, batch.length).reduce((sum, [, size]) => sum + size, 0));
      this.#sent = Math.max(this.#sent, batch.length);
      this.#stop = post(this.#target(this.#first, false), batch.join('\n'), (status, text) => {
        clearTimeout(this.#timer);
        this.#since = Infinity;
        const got = status === 200 ? parse(text)?.got : undefined;
        if (Number.isInteger(got) && (got >= this.#first || !batch.length)) this.#answered(got, performance.now() - since);
        else this.#failed(status);
      });
      this.#timer = setTimeout(() => { this.#stop(); this.#failed(0); }, SEND_WAIT);
    }

    /** The lines for one request. A character is at most three bytes. */
    #batch() {
      let size = 0;
      const end = this.#lines.findIndex(([text]) => (size += 3 * text.length) > BATCH);
      return this.#lines.slice(0, end < 0 ? undefined : Math.max(1, end)).map(([text]) => text);
    }

    #answered(got, milliseconds) {
      this.#on.answered(milliseconds);
      const taken = this.#lines.splice(0, Math.max(0, got + 1 - this.#first));
      this.#busy = false;
      this.#failures = 0;
      this.#first += taken.length;
      this.#sent = Math.max(0, this.#sent - taken.length);
      this.#on.taken(this.#first - 1);
      this.#next();
    }

    #failed(status) {
      if (isRefusal(status)) return this.#on.refused(status);
      this.#timer = setTimeout(() => this.#post(), backoff(this.#failures++));
    }
  }

  // -- A session over HTTP ---------------------------------------------------------------

  // Over HTTP/1.1 a browser opens six connections to a host, for all its pages
  // together, and each session holds one. Where that is not enough, something would
  // wait for ever: the sessions hold theirs by turns then. With HTTP/2 nobody waits.
  const sessions = new Set();
  let turns = 0; // timer; runs while there are sessions
  let pages = null; // where those of this origin ask each other for room

  // All must take leave when the page goes.
  globalThis.addEventListener?.('pagehide', () => sessions.forEach(session => session.leave()));

  function join(session) {
    sessions.add(session);
    turns ||= setInterval(takeTurns, TURN);
    try {
      pages ??= Object.assign(new BroadcastChannel('websocket.js'), { onmessage: ({ data }) => makeRoom(data, 1) });
    } catch {
      // It is missing or forbidden: the page takes turns by itself.
    }
  }

  function takeTurns() {
    if (!sessions.size) turns = clearInterval(turns);
    for (const site of new Set([...sessions].map(session => session.site))) {
      const here = [...sessions].filter(session => session.site === site);
      const turn = here.length < CROWD ? LONG_TURN : TURN;
      const waiting = here.filter(session => session.waited > turn).length;
      // Nobody can tell whether a poll waits for an answer or for a connection.
      const polls = here.filter(session => session.transport === 'poll' && session.held > LONG_TURN).length;
      const found = makeRoom(site, Math.max(waiting, polls - CROWD));
      if (waiting && !found) pages?.postMessage(site);
    }
  }

  /** Has so many sessions let others have their connections, those that held theirs longest. Returns whether any did. */
  function makeRoom(site, count) {
    const holders = [...sessions].filter(session => session.site === site && session.held > TURN);
    const oldest = holders.sort((a, b) => b.held - a.held).slice(0, Math.max(0, count));
    oldest.forEach(session => session.makeRoom());
    return oldest.length > 0;
  }

  // A browser does not say why it keeps an answer to itself. Most often it is of another
  // origin, which does not let this page in. That is said once.
  const unreachable = new Set();

  function tellUnreachable(site) {
    const { origin = 'null', host } = globalThis.location ?? {};
    if (site === host || unreachable.has(site)) return;
    unreachable.add(site);
    console.warn(`websocket.js: ${site} cannot be reached, or does not let in pages of ${origin}: is that in its origins (BELFRY_ORIGINS)?`);
  }

  /**
   * One connection over HTTP, which survives the change of its requests. It says to
   * `on`, in tasks of their own:
   *
   * - `opened()` once;
   * - `message(text)` for each message, after `opened`;
   * - `moved()` when `transport` has changed, after `opened`;
   * - `closed({code, reason, failed})` once, also when it could not be opened.
   */
  class Session {
    site; // host and port of the endpoint
    transport = '';
    protocol = '';
    extensions = '';
    bufferedAmount = 0; // bytes that wait for a request
    roundTrip = NaN;

    #address; // of the endpoint, http: or https:
    #elsewhere; // it is of another origin
    #host; // what the choice is remembered for; empty: not remembered
    #protocols;
    #on;
    #opening; // transports to open a session with, best first
    #choice; // transports to go on with, best first
    #status = 0; // of the last answer that a browser let us see
    #proven = false; // the first of them works
    #name = ''; // of the session; empty until it is open
    #up = new Upstream((first, bare) => this.#target('send', { first, bare }), {
      sending: size => { this.bufferedAmount -= size; },
      answered: milliseconds => {
        this.roundTrip = milliseconds;
        this.#answered = performance.now();
      },
      taken: last => this.#taken(last),
      refused: status => this.#refused(status),
    });

    #down = null; // the request downwards: {transport, stop, since, heard, brought}
    #watchdog = 0; // timer that ends a silent request
    #retry = 0; // timer of the next one
    #failures = 0; // requests in a row that brought nothing
    #lost = 0; // when the first of them did
    #answered = 0; // when a request upwards last had its answer
    #trialWait = TRIAL_MAX;

    #got = 0; // counted lines that we have
    #told = 0; // of which the server knows
    #unacknowledged = 0; // characters since then
    #ackTimer = 0;

    #closing = null; // {number, code}: of the line that says we close
    #closeTimer = 0;
    #over = false;

    /**
     * @param {string} url ws: or wss:
     * @param {string[]} protocols
     * @param {string} only the one transport to use; empty: what works
     * @param {object} on
     */
    constructor(url, protocols, only, on) {
      this.site = new URL(url).host;
      this.#address = url.replace(/^ws/, 'http');
      this.#elsewhere = new URL(this.#address).origin !== globalThis.location?.origin;
      this.#protocols = protocols;
      this.#on = on;
      this.#host = only ? '' : this.site;
      this.#choice = only ? [only] : AVAILABLE.slice(Math.max(0, AVAILABLE.indexOf(recall(this.#host))));
      // What fails to open with the first is most likely to with polling.
      const [first, ...others] = this.#choice;
      this.#opening = only ? [only] : [...new Set([first, 'poll', ...others])];
      join(this);
      this.#open();
    }

    /** Sends a string; anything else goes as binary, of which the server hears no more than that. */
    send(data, size) {
      this.bufferedAmount += size;
      if (!this.#over) this.#up.push(JSON.stringify(typeof data === 'string' ? data : ['binary']), size);
    }

    /** Closes after what was sent. */
    close(code = CODE_NONE, reason = '') {
      if (this.#over) return; // the event is on its way
      this.#closing = { code, number: this.#up.push(JSON.stringify(['close', code, reason]), 0) };
      this.#closeTimer = setTimeout(() => this.#end(ABNORMAL), CLOSE_WAIT);
    }

    /** How long a request of ours has held a connection. */
    get held() {
      const { since = Infinity, heard, transport } = this.#down ?? {};
      return heard || (this.#name && transport === 'poll') ? performance.now() - since : 0;
    }

    /** How long a request of ours has waited, perhaps for a connection. */
    get waited() {
      const down = this.#down && !this.held ? performance.now() - this.#down.since : 0;
      return Math.max(down, this.#up.waiting);
    }

    /** Lets others have the connection, and waits for the next. */
    makeRoom() {
      const { transport, stop } = this.#down;
      stop();
      this.#request(transport);
    }

    /** Ends at once and says no more; the server is told if it can be. */
    drop() {
      this.#sayGoodbye();
      this.#stop();
    }

    /** Ends because the page does. Should it come back, it finds the connection lost. */
    leave() {
      this.#sayGoodbye();
      this.#end(ABNORMAL);
    }

    #sayGoodbye() {
      if (!this.#name) return;
      const { url, body } = this.#closing ? this.#up.last() : this.#up.last(JSON.stringify(['close', CODE_GOING_AWAY, '']));
      if (body.length < BEACON) navigator.sendBeacon?.(url, body);
    }

    // -- Requests downwards

    /**
     * Where a request goes. What it says of its session is a header, so that the name,
     * which is a secret, is in nobody's log of URLs. An event stream cannot have one,
     * nor can the beacon that ends the session. For one to another origin the browser
     * would ask first, without cookies: what it says is the first line of the body.
     */
    #target(via, { first, pad, bare = via === 'events' }) {
      const query = [`via=${via}`];
      const headers = {};
      let head;
      if (pad) query.push('pad=1');
      if (this.#name) {
        const session = [`session=${encodeURIComponent(this.#name)}`, `got=${this.#got}`];
        if (first) session.push(`first=${first}`);
        if (bare) query.push(...session);
        else if (this.#elsewhere) head = `${session.join('&')}\n`;
        else headers[SESSION] = session.join('&');
      } else {
        query.push(...this.#protocols.map(name => `protocol=${encodeURIComponent(name)}`));
      }
      if (head) query.push('head');
      this.#told = this.#got;
      return { url: this.#address + (this.#address.includes('?') ? '&' : '?') + query.join('&'), headers, head };
    }

    /** Tries the next transport to open the session with. */
    #open() {
      const transport = this.#opening.shift();
      if (!transport) {
        if (!this.#status) tellUnreachable(this.site);
        return this.#end(ABNORMAL);
      }
      this.#request(transport);
    }

    #request(transport) {
      const down = { transport, since: performance.now(), heard: false, brought: false };
      this.#down = down;
      this.#watch(this.#patience(down));
      const target = this.#target(transport, { pad: transport !== 'poll' });
      down.stop = TRANSPORTS[transport](target, {
        line: text => this.#down === down && this.#line(down, text),
        ended: status => this.#down === down && this.#ended(down, status),
      });
    }

    /** How long a request may be silent from now on. */
    #patience({ transport, heard }) {
      if (transport === 'poll') return this.#name ? HOLD : POLL_WAIT;
      if (heard) return SILENCE;
      if (!this.#name) return this.#opening.length ? OPEN_WAIT : POLL_WAIT;
      return this.#proven || this.#choice.length === 1 ? RESUME_WAIT : this.#trialWait;
    }

    #watch(milliseconds) {
      clearTimeout(this.#watchdog);
      this.#watchdog = setTimeout(() => this.#ended(this.#down, 0), milliseconds);
    }

    #ended(down, status) {
      down.stop();
      this.#down = null;
      clearTimeout(this.#watchdog);
      this.#status ||= status;
      log(`${down.transport} ended with status ${status}, after ${Math.round(performance.now() - down.since)} ms`);
      if (isRefusal(status)) return this.#refused(status);
      if (!this.#name) return this.#notOpened(down.transport);
      const useful = down.brought || (down.heard && performance.now() - down.since > SHORT);
      if (!useful) return this.#setback();
      this.#failures = 0;
      this.#request(this.#choice[0]);
    }

    /** Goes on without a transport that opens nothing. */
    #notOpened(transport) {
      if (this.#choice.length > 1) this.#choice = this.#choice.filter(name => name !== transport);
      if (recall(this.#host) === transport) remember(this.#host, '');
      this.#open();
    }

    /** After a request that brought nothing: tries another way, or the same again later. */
    #setback() {
      const now = performance.now();
      if (++this.#failures === 1) this.#lost = now;
      if (now - this.#lost > AWAY) return this.#end(ABNORMAL);
      const alone = this.#failures > 3 && this.#answered > this.#lost; // others get through
      if (this.#choice.length > 1 && (!this.#proven || alone)) {
        this.#choice.shift();
        this.#proven = false;
        return this.#request(this.#choice[0]);
      }
      this.#up.ask(); // whether the server still knows us, which an event stream does not say
      this.#retry = setTimeout(() => this.#request(this.#choice[0]), backoff(this.#failures));
    }

    #refused(status) {
      log(`refused with status ${status}`);
      this.#end(status === 413 ? { code: CODE_TOO_BIG, reason: '', failed: false } : ABNORMAL);
    }

    // -- Lines

    #line(down, text) {
      const line = parse(text);
      if (!Array.isArray(line)) return this.#ended(down, 0); // somebody else answers
      const [kind, first, second] = line;
      if (kind === 'pad') return; // what follows may be held back still
      this.#heard(down);
      if (kind === 'open') return this.#opened(down, first, second);
      if (kind !== 'm' && kind !== 'close') return;
      down.brought = true;
      this.#got++;
      this.#acknowledge(text.length);
      if (kind === 'm') this.#say(() => this.#on.message(first));
      else this.#end({ code: first, reason: second, failed: first === ABNORMAL.code });
    }

    #heard(down) {
      down.heard = true;
      this.#watch(this.#patience(down));
      if (this.#name) this.#settle(down.transport);
    }

    /** Notes that a transport works. */
    #settle(transport) {
      if (transport === this.#choice[0] && !this.#proven) {
        this.#proven = true;
        if (this.#host && recall(this.#host) !== 'websocket') remember(this.#host, transport);
      }
      if (transport === this.transport) return;
      log(`using ${transport}`);
      this.transport = transport;
      this.#say(() => this.#on.moved());
    }

    #opened(down, name, protocol) {
      if (this.#name) return; // told twice
      this.#name = name;
      down.brought = true;
      this.#trialWait = Math.min(TRIAL_MAX, Math.max(TRIAL_MIN, 10 * (performance.now() - down.since)));
      this.protocol = protocol;
      // The standard wants one of those that were asked for, or none of none.
      if (this.#protocols.length ? !this.#protocols.includes(protocol) : protocol) {
        log(`subprotocol ${JSON.stringify(protocol)} was not asked for`);
        return this.leave();
      }
      this.transport = down.transport;
      this.#settle(down.transport);
      log(`opened by ${this.transport}`);
      this.#say(() => this.#on.opened());
    }

    /** Tells the server what we have, in time for what it has to keep. */
    #acknowledge(size) {
      if (this.#told === this.#got - 1) this.#unacknowledged = 0; // a request has just told all before
      this.#unacknowledged += size;
      if (this.#unacknowledged > ACK_SIZE) this.#up.ask();
      else this.#ackTimer ||= setTimeout(() => {
        this.#ackTimer = 0;
        if (this.#told < this.#got) this.#up.ask();
      }, ACK_WAIT);
    }

    #taken(last) {
      if (!this.#closing || last < this.#closing.number) return;
      // The server says why it closes, and may have had a reason of its own.
      const { code } = this.#closing;
      clearTimeout(this.#closeTimer);
      this.#closeTimer = setTimeout(() => this.#end({ code, reason: '', failed: false }), CLOSE_LINE_WAIT);
    }

    // -- The end

    /** Says something in a task, unless all was over before. */
    #say(task) {
      if (!this.#over) queueTask(task);
    }

    #end(how) {
      this.#say(() => this.#on.closed(how));
      this.#stop();
    }

    #stop() {
      this.#over = true;
      sessions.delete(this);
      this.#down?.stop();
      this.#down = null;
      this.#up.stop();
      for (const timer of [this.#watchdog, this.#retry, this.#ackTimer, this.#closeTimer]) clearTimeout(timer);
    }
  }

  // -- The browser's own WebSocket ---------------------------------------------------------

  /** A WebSocket that says the same as a Session. Throws what its constructor throws. */
  class Direct {
    transport = 'websocket';
    roundTrip = NaN;
    #socket;
    #failed = false;

    constructor(url, protocols, on) {
      const socket = this.#socket = new Native(url, protocols);
      socket.onopen = () => on.opened();
      socket.onmessage = ({ data }) => on.message(data);
      socket.onerror = () => { this.#failed = true; };
      socket.onclose = ({ code, reason, wasClean }) => on.closed({ code, reason, wasClean, failed: this.#failed });
    }

    get readyState() { return this.#socket.readyState; }
    get protocol() { return this.#socket.protocol; }
    get extensions() { return this.#socket.extensions; }
    get bufferedAmount() { return this.#socket.bufferedAmount; }
    set binaryType(type) { this.#socket.binaryType = type; }

    send(data) { this.#socket.send(data); }
    close(...how) { this.#socket.close(...how); }

    drop() {
      const socket = this.#socket;
      socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
      socket.close();
    }
  }

  // -- The constructor -----------------------------------------------------------------------

  /** The event of a close, for browsers that lost it together with WebSocket. */
  const Closed = globalThis.CloseEvent ?? class CloseEvent extends Event {
    constructor(type, { wasClean = false, code = 0, reason = '' } = {}) {
      super(type);
      Object.assign(this, { wasClean, code, reason });
    }
  };

  /** The full address that a socket is made with, or an exception as in the standard. */
  function address(text) {
    let url;
    try {
      url = new URL(text, globalThis.document?.baseURI ?? globalThis.location?.href);
    } catch {
      throw new DOMException(`Failed to construct 'WebSocket': the URL '${text}' is invalid.`, 'SyntaxError');
    }
    url.protocol = url.protocol.replace(/^http/, 'ws');
    if (!/^wss?:$/.test(url.protocol)) {
      throw new DOMException(`Failed to construct 'WebSocket': the scheme '${url.protocol}' is not ws, wss, http or https.`, 'SyntaxError');
    }
    if (url.href.includes('#')) {
      throw new DOMException(`Failed to construct 'WebSocket': the URL '${url.href}' has a fragment.`, 'SyntaxError');
    }
    return url;
  }

  /** The subprotocols of an argument that is a string or a sequence of strings. */
  function subprotocols(value) {
    const isSequence = Object(value) === value && value[Symbol.iterator] != null;
    const names = isSequence ? Array.from(value, name => `${name}`) : [`${value}`];
    const wrong = names.find((name, i) => !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) || names.indexOf(name) < i);
    if (wrong === undefined) return names;
    throw new DOMException(`Failed to construct 'WebSocket': the subprotocol '${wrong}' is invalid or named twice.`, 'SyntaxError');
  }

  /** What send was given, as the standard reads it: binary as it is, all else as a string. */
  function payload(data) {
    if (data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return data;
    const text = `${data}`;
    return /\p{Surrogate}/u.test(text) ? new TextDecoder().decode(encoder.encode(text)) : text;
  }

  function sizeOf(data) {
    return typeof data === 'string' ? encoder.encode(data).length : data.size ?? data.byteLength;
  }

  /** Refuses what close may not be called with. */
  function checkClose(code, reason) {
    if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999)) {
      throw new DOMException(`Failed to execute 'close' on 'WebSocket': the code must be 1000, or 3000 to 4999; ${code} is neither.`, 'InvalidAccessError');
    }
    if (sizeOf(reason ?? '') > 123) {
      throw new DOMException("Failed to execute 'close' on 'WebSocket': the reason is longer than 123 bytes.", 'SyntaxError');
    }
  }

  /** A number as an unsigned short, clamped. */
  function clampShort(value) {
    return Math.min(65535, Math.max(0, Math.round(+value || 0)));
  }

  /** What the page wants: '' what works, 'http' all but WebSocket, or a transport by name. */
  function forced() {
    const force = globalThis.WEBSOCKET_FORCE_FALLBACK;
    if (!force) return '';
    if (force === true) return 'http';
    if (force === 'websocket' || AVAILABLE.includes(force)) return force;
    console.warn(`WEBSOCKET_FORCE_FALLBACK: ${force} is not here; want true, websocket, ${AVAILABLE.join(', ')}`);
    return 'http';
  }

  const { addEventListener: addListener, removeEventListener: removeListener, dispatchEvent: dispatch } = EventTarget.prototype;

  class WebSocket extends EventTarget {
    static native = Native;

    #url;
    #protocols;
    #state = CONNECTING;
    #line = null; // Direct or Session, once one is open
    #tried = new Set(); // those that may open still
    #timer = 0; // until HTTP is tried, too
    #binaryType = 'blob';
    #unsent = 0; // bytes that were sent too late
    #handlers = new Map(); // type → {value, listener}

    constructor(url, protocols = []) {
      if (!arguments.length) throw new TypeError("Failed to construct 'WebSocket': 1 argument required, but only 0 present.");
      super();
      this.#url = address(`${url}`);
      this.#protocols = subprotocols(protocols);
      this.#connect(forced());
    }

    get url() { return this.#url.href; }
    get protocol() { return this.#line?.protocol ?? ''; }
    get extensions() { return this.#line?.extensions ?? ''; }
    get readyState() { return this.#readyState(); }
    get bufferedAmount() { return (this.#line?.bufferedAmount ?? 0) + this.#unsent; }
    get transport() { return this.#line?.transport ?? ''; }
    get roundTrip() { return this.#line?.roundTrip ?? NaN; }

    get binaryType() { return this.#binaryType; }
    set binaryType(value) {
      const type = this.#binaryType && `${value}`; // fails on another object, as it should
      if (type !== 'blob' && type !== 'arraybuffer') return;
      this.#binaryType = type;
      for (const line of [this.#line, ...this.#tried]) if (line instanceof Direct) line.binaryType = type;
    }

    get onopen() { return this.#handler('open'); }
    set onopen(value) { this.#handle('open', value); }
    get onmessage() { return this.#handler('message'); }
    set onmessage(value) { this.#handle('message', value); }
    get onerror() { return this.#handler('error'); }
    set onerror(value) { this.#handle('error', value); }
    get onclose() { return this.#handler('close'); }
    set onclose(value) { this.#handle('close', value); }

    send(data) {
      const state = this.#readyState();
      if (!arguments.length) throw new TypeError("Failed to execute 'send' on 'WebSocket': 1 argument required, but only 0 present.");
      const message = payload(data);
      if (state === CONNECTING) {
        throw new DOMException("Failed to execute 'send' on 'WebSocket': still connecting.", 'InvalidStateError');
      }
      const size = sizeOf(message);
      if (state === OPEN) this.#line.send(message, size);
      else this.#unsent += size;
    }

    close(code = undefined, reason = undefined) {
      const state = this.#readyState();
      const number = code === undefined ? undefined : clampShort(code);
      const text = reason === undefined ? undefined : payload(`${reason}`);
      checkClose(number, text);
      if (state >= CLOSING) return;
      this.#state = CLOSING;
      if (this.#line) return this.#line.close(...(text === undefined ? [number] : [number ?? 1000, text]));
      this.#dropOthers();
      queueTask(() => this.#closed(ABNORMAL));
    }

    // What a page may have redefined is not used.

    #readyState() { return this.#line?.readyState ?? this.#state; }

    #dispatch(event) { dispatch.call(this, event); }

    #connect(force) {
      const remembered = force ? '' : recall(this.#url.host);
      const direct = force === 'websocket' || (!force && Native && (!remembered || remembered === 'websocket'));
      if (direct && Native) this.#tryDirect(!force);
      else if (direct) queueTask(() => this.#closed(ABNORMAL));
      else this.#trySession(force === 'http' ? '' : force);
    }

    #tryDirect(otherwise) {
      const direct = new Direct(this.#url.href, this.#protocols, {
        opened: () => {
          if (otherwise) remember(this.#url.host, 'websocket');
          this.#opened(direct);
        },
        message: data => this.#message(data),
        closed: how => {
          if (otherwise) this.#trySession('');
          this.#lost(direct, how);
        },
      });
      this.#tried.add(direct);
      // It stays in the race: on a slow network nothing else is faster.
      if (otherwise) this.#timer = setTimeout(() => this.#trySession(''), NATIVE_WAIT);
    }

    /** Tries HTTP, once, while nothing is open. */
    #trySession(only) {
      clearTimeout(this.#timer);
      if (this.#state !== CONNECTING || [...this.#tried].some(line => line instanceof Session)) return;
      log(`${this.#url.href} over HTTP`, only);
      const session = new Session(this.#url.href, this.#protocols, only, {
        opened: () => this.#opened(session),
        message: data => this.#message(data),
        moved: () => this.#dispatch(new Event('transport')),
        closed: how => this.#lost(session, how),
      });
      this.#tried.add(session);
    }

    /** Takes the first that opens. */
    #opened(line) {
      if (this.#state !== CONNECTING) return line.drop();
      this.#tried.delete(line);
      this.#dropOthers();
      this.#line = line;
      this.#state = OPEN;
      this.#dispatch(new Event('transport'));
      this.#dispatch(new Event('open'));
    }

    #dropOthers() {
      clearTimeout(this.#timer);
      this.#tried.forEach(line => line.drop());
      this.#tried.clear();
    }

    #message(data) {
      if (this.#state !== OPEN) return; // the standard drops what comes while closing
      this.#dispatch(new MessageEvent('message', { data, origin: this.#url.origin }));
    }

    /** A line has ended: the one in use, or one that may have opened. */
    #lost(line, how) {
      this.#tried.delete(line);
      if (line === this.#line || (this.#state === CONNECTING && !this.#tried.size)) this.#closed(how);
    }

    #closed({ code, reason, failed, wasClean = !failed }) {
      this.#state = CLOSED;
      if (failed) this.#dispatch(new Event('error'));
      this.#dispatch(new Closed('close', { code, reason, wasClean }));
    }

    #handler(type) { return this.#handlers.get(type)?.value ?? null; }

    /** Sets an event handler as HTML has it: its place among the listeners is that of the first one set. */
    #handle(type, value) {
      const handler = this.#handlers.get(type);
      if (Object(value) !== value) {
        this.#handlers.delete(type);
        if (handler) removeListener.call(this, type, handler.listener);
      } else if (handler) {
        handler.value = value;
      } else {
        const entry = { value, listener: event => typeof entry.value === 'function' && entry.value.call(this, event) };
        this.#handlers.set(type, entry);
        addListener.call(this, type, entry.listener);
      }
    }
  }

  // As WebIDL has it: constants in both places, and everything can be enumerated.
  for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
    for (const place of [WebSocket, WebSocket.prototype]) Object.defineProperty(place, name, { value, enumerable: true });
  }
  for (const name of Object.getOwnPropertyNames(WebSocket.prototype)) {
    if (name !== 'constructor') Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
  }
  Object.defineProperty(WebSocket.prototype, Symbol.toStringTag, { value: 'WebSocket', configurable: true });
  Object.defineProperty(globalThis, 'WebSocket', { value: WebSocket, writable: true, configurable: true });
})();
