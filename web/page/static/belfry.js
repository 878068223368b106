/**
 * belfry.js: the channels of a Belfry server, live in the browser.
 *
 *   const belfry = new Belfry();                       // this page's host
 *   belfry.on('state', ({ state }) => console.log(state));
 *   belfry.subscribe('date', ({ data }) => console.log(data));
 *   await belfry.publish('chat', { name: 'Ada', text: 'Hello' });
 *   belfry.subscribe('chat', ({ data }) => console.log(data), {
 *     data: { name: 'Ada' },                           // what the others see of us
 *     onMembers: members => console.log(members?.size),  // who is here
 *   });
 *
 * Where the server wants to know who we are, a backend says so by a token:
 *
 *   const belfry = new Belfry(undefined, {
 *     getToken: async ({ signal }) => (await fetch('/my/token', { signal })).text(),
 *   });
 *   belfry.on('state', ({ user }) => console.log(user));
 *
 * A classic <script src="/belfry.js"> and `import '/belfry.js'` both set
 * globalThis.Belfry; `import { Belfry } from '/belfry.mjs'` imports it by name.
 *
 * What it speaks is the Centrifuge protocol in JSON: a command per line with an
 * `id`, a reply per line with the same `id`, and pushes without one. What it
 * speaks over is a transport, which knows nothing of the protocol: see
 * openWebSocket below.
 */
(() => {
  'use strict';

  const ENDPOINT = '/connection/websocket';
  const NAME = 'belfry.js';

  // All times are in milliseconds.
  const OPEN_TIMEOUT = 10_000;
  const REPLY_TIMEOUT = 5_000;
  const TOKEN_TIMEOUT = 10_000;
  const PING_GRACE = 10_000;
  const BACKOFF_MIN = 500;
  const BACKOFF_MAX = 20_000;

  // A token is changed for another when this part of its time is over, and this long
  // before it ends at the earliest. Timers wait for no longer than TIMER_MAX.
  const REFRESH_AT = 0.9;
  const REFRESH_BEFORE = 30_000;
  const TIMER_MAX = 2 ** 31 - 1;

  // How often the list of members is read again: in a large channel so seldom
  // that it costs no more than two members a second.
  const MEMBERS_EVERY = 30_000;
  const MEMBER_TIME = 500;

  // Bytes in one frame of several commands, and in one command until the server has
  // told what it takes.
  const FRAME_MAX = 48 * 1024;
  const MESSAGE_MAX = 64 * 1024;

  // Codes of our own lie below 100, where neither the server's errors (100 and
  // up) nor WebSocket close codes (1000 and up) can be.
  const CODE_CLIENT = 0; // this client did it: the reason says what
  const CODE_TIMEOUT = 1; // no reply in time
  const CODE_MESSAGE_TOO_BIG = 1009;
  const CODE_ALREADY_SUBSCRIBED = 105; // the server's
  const CODE_LIMIT = 106; // the server's, which it is spared to say
  const CODE_TOKEN_EXPIRED = 109; // the server's
  const CODE_UNAUTHORIZED = 401; // of HTTP, for a page that says no more than that it is for good
  const CODE_SUBSCRIPTION_EXPIRED = 2501;
  const CODE_CONNECTION_EXPIRED = 3005;
  const NO_WISHES = '{}';
  const ASKED = 'disconnect was asked for';

  const encoder = new TextEncoder();

  /** What a refused or unanswered command rejects with. */
  class BelfryError extends Error {
    /**
     * @param {number} code the server's error code, or one below 100 from this client
     * @param {string} message
     * @param {boolean} [temporary] whether the same command may succeed later; always so for codes below 100
     */
    constructor(code, message, temporary = false) {
      super(message);
      this.name = 'BelfryError';
      this.code = code;
      this.temporary = temporary || code < 100;
    }
  }

  /**
   * Opens a WebSocket as a transport. A transport is an object with
   * `send(text)` and `close()`, and reports to `on`:
   *
   * - `on.opened()` once, when frames may be sent;
   * - `on.frame(text)` for each frame;
   * - `on.moved()` when its `name`, which says what it goes over, has changed;
   * - `on.closed(code, reason)` once, when it is over by itself.
   *
   * After `close()` it reports nothing more.
   */
  function openWebSocket(url, on) {
    // In Node before 22, and where a page has taken it away.
    if (!globalThis.WebSocket) throw new Error('there is no WebSocket here: set globalThis.WebSocket, for instance to that of the package ws');
    const socket = new WebSocket(url);
    socket.onopen = () => on.opened();
    socket.onmessage = event => on.frame(event.data);
    socket.onclose = event => on.closed(event.code, event.reason);
    const moved = () => on.moved();
    socket.addEventListener('transport', moved); // of websocket.js
    return {
      get name() { return socket.transport ?? 'websocket'; },
      send: text => socket.send(text),
      close() {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.removeEventListener('transport', moved);
        socket.close();
      },
    };
  }

  /** The full WebSocket address of a server given as a URL, a path or nothing. */
  function endpoint(url = ENDPOINT) {
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace(/^http/, 'ws');
    if (!/^wss?:$/.test(address.protocol)) {
      throw new TypeError(`Belfry: "${url}" is no address of a server; want ws://, wss://, http://, https:// or a path`);
    }
    if (address.pathname.endsWith('/')) address.pathname += ENDPOINT.slice(1);
    address.hash = '';
    return address.href;
  }

  /** How long to wait after so many failures: exponential, with full jitter, so that a crowd does not come back at once. */
  function backoff(failures) {
    const ceiling = Math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ** failures);
    return Math.min(BACKOFF_MAX, BACKOFF_MIN + Math.random() * ceiling);
  }

  /** Whether a close code says that coming back is of no use. */
  function isFinal(code) {
    return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code === CODE_MESSAGE_TOO_BIG;
  }

  /** Bytes of a text in UTF-8. */
  function sizeOf(text) {
    return encoder.encode(text).length;
  }

  /** Calls a listener of the page, if there is one; what it throws is the page's and must not stop us. */
  function tell(listener, ...values) {
    try {
      listener?.(...values);
    } catch (error) {
      queueMicrotask(() => { throw error; });
    }
  }

  /**
   * A message of a channel, as a subscription's listener gets it.
   * @typedef {object} Message
   * @property {string} channel
   * @property {*} data what was published
   * @property {object} [info] who published it, when a client did and the server tells
   * @property {number} [offset] its position, in channels that have history
   */

  /**
   * What became of the connection.
   * @typedef {object} State
   * @property {'connecting'|'connected'|'disconnected'} state
   * @property {number} [code] disconnected: the close code; 0 when this client ended it
   * @property {string} [reason] disconnected: the close reason, possibly empty
   * @property {?number} [retryIn] disconnected: milliseconds to the next try; null when there will be none
   * @property {number} [attempt] connecting: 1 for the first try since the last success
   * @property {string} [client] connected: this connection's id
   * @property {string} [user] connected: the ID of the user that our token says; empty for nobody in particular
   */

  /**
   * By what we say who we are.
   * @typedef {object} Credentials
   * @property {string} [token] a token of the backend's; without getToken it is all
   *   there is, and the connection ends for good some seconds after the token
   * @property {function({signal: AbortSignal, channel: ?string}): (Promise<string>|string)} [getToken]
   *   gets a token: before the first connection unless there is one, in time before it
   *   expires, and when the server says that it has. It is called again only when
   *   the call before has ended, or was aborted by `signal` after 10 s. '' or
   *   null stands for nobody in particular. What it throws is tried again, unless its
   *   `temporary` is false, as with `new Belfry.Error(401, 'signed out')`: that is for good
   */

  /**
   * One who is on a channel. All of it but `client` is the word of whoever that is,
   * or of nobody: take it as text, and for no proof.
   * @typedef {object} Member
   * @property {string} client the id of the connection, the same in no other
   * @property {string} user empty when anonymous
   * @property {*} [conn_info] what the server knows of the user
   * @property {*} [chan_info] the `data` that the client has subscribed with
   */

  /**
   * What a subscription may ask for beside messages. To know who else is on a
   * channel, its rule must have presence.
   * @typedef {object} Options
   * @property {string} [token] and
   * @property {function} [getToken] are those of {@link Credentials}, for this channel
   *   alone. One for the channel: the last that was given counts
   * @property {*} [data] what the other members get as our `chan_info`: anything that
   *   JSON can say in 1 KiB. One for the channel: the last that was given counts
   * @property {function(Member)} [onJoin] another has come
   * @property {function(Member)} [onLeave] another has gone, or comes again at once with other data
   * @property {function(?Map<string, Member>, boolean)} [onMembers] who is on the channel,
   *   ourselves included, by client id: at each change, and with true as the second
   *   value when the whole list was read, as after each reconnect. Do not change it.
   *   While the connection is away the last list stands. Null when the server does
   *   not tell
   */

  /**
   * Who is on a channel. The list is an answer, joins and leaves are pushes, and
   * they overtake one another. A push that came while the list was asked for is
   * newer than the list or in it already, so it is right to apply it once more.
   */
  class Members {
    /** @type {Map<string, Member>} */
    clients = new Map();
    known = false; // there was a list on this connection
    #news = null; // client → its Member, or null when it left; since the list was asked for

    join(member) {
      this.clients.set(member.client, member);
      this.#news?.set(member.client, member);
    }

    leave({ client }) {
      this.clients.delete(client);
      this.#news?.set(client, null);
    }

    /** Call it when the list is asked for, and what it returns with the list; it does nothing once there is a later list to come. */
    ask() {
      const news = this.#news = new Map();
      return list => {
        if (this.#news !== news) return false;
        this.clients = new Map(Object.entries(list));
        for (const [client, member] of news) {
          if (member) this.clients.set(client, member);
          else this.clients.delete(client);
        }
        this.#news = null;
        return this.known = true;
      };
    }
  }

  /** What becomes of an error of getToken: one that passes, unless the page says that it does not. */
  function noToken(error) {
    const final = error?.temporary === false;
    const code = Number.isInteger(error?.code) ? error.code : 0;
    return new BelfryError(final ? code || CODE_UNAUTHORIZED : CODE_CLIENT, `no token: ${error?.message ?? error}`);
  }

  /** A token, of a connection or for a channel, and where the next one comes from. */
  class Tokens {
    #token;
    #get;
    #channel;
    #call = null; // AbortController of the call that is under way
    #done = null; // who wants to know what it brings
    #failures = 0;
    #timer = null; // of the next call
    #until = Infinity; // when the token is to be changed, by performance.now()

    /**
     * @param {Credentials} credentials
     * @param {string} [channel] the one that the token is for; none: it is of the connection
     */
    constructor({ token = '', getToken = null }, channel = null) {
      this.#token = token ?? '';
      this.#get = getToken;
      this.#channel = channel;
    }

    /** The token that there is now; empty: none. */
    get token() {
      return this.#token;
    }

    /** Whether there will be another token. */
    get renewable() {
      return this.#get !== null;
    }

    /** Drops the token, which the server does not take any more; whether there can be another. */
    drop() {
      if (this.renewable) this.#token = '';
      return this.renewable;
    }

    /** Calls `done(error, token)`, at once where there is a token that is good or can be no other. A later call takes the place of this one. */
    take(done) {
      if (!this.renewable || (this.#token && performance.now() < this.#until)) return done(null, this.#token);
      this.#ask(done);
    }

    /** Notes how long the server takes the token, in seconds, and gets another in time: `done` is called with that, and with an error only when it is for good. */
    expire({ expires = false, ttl = 0 }, done) {
      this.rest();
      this.#until = Infinity;
      if (!expires || !this.renewable) return;
      const wait = Math.max(ttl * 1000 * REFRESH_AT, ttl * 1000 - REFRESH_BEFORE);
      this.#until = performance.now() + wait;
      if (wait <= TIMER_MAX) this.#timer = setTimeout(() => this.renew(done), wait);
    }

    /** Gets another token, again and again until there is one. */
    renew(done) {
      this.#ask((error, token) => {
        if (!error?.temporary) return done(error, token);
        this.#timer = setTimeout(() => this.renew(done), backoff(this.#failures++));
      });
    }

    /** Wants no call to be answered any more, and begins none. One that is under way goes on: what it brings is kept. */
    rest() {
      clearTimeout(this.#timer);
      this.#timer = this.#done = null;
    }

    #ask(done) {
      clearTimeout(this.#timer);
      this.#done = done;
      if (this.#call) return;
      const call = this.#call = new AbortController();
      const timer = setTimeout(() => {
        call.abort();
        this.#asked(call, new BelfryError(CODE_TIMEOUT, `no token from getToken within ${TOKEN_TIMEOUT / 1000} s`));
      }, TOKEN_TIMEOUT);
      const params = this.#channel === null ? { signal: call.signal } : { signal: call.signal, channel: this.#channel };
      Promise.resolve().then(() => this.#get(params)).then(
        token => this.#asked(call, null, token),
        error => this.#asked(call, noToken(error)),
      ).finally(() => clearTimeout(timer));
    }

    #asked(call, error, token) {
      if (this.#call !== call) return; // given up
      this.#call = null;
      if (!error && token && typeof token !== 'string') error = new BelfryError(CODE_CLIENT, `no token: getToken has returned ${typeof token}, want a string`);
      if (!error) {
        this.#token = token || '';
        this.#until = Infinity;
        this.#failures = 0;
      }
      const done = this.#done;
      this.#done = null;
      done?.(error, this.#token);
    }
  }

  /** What a channel's subscriptions want of the server beside messages, as JSON. */
  function wishes({ subscriptions, data }) {
    const curious = [...subscriptions].some(({ options: { onJoin, onLeave, onMembers } }) => onJoin || onLeave || onMembers);
    return JSON.stringify({ data, join_leave: curious || undefined });
  }

  /** Stops what an entry has under way. */
  function rest(entry) {
    entry.tokens.rest();
    clearTimeout(entry.retry);
    clearTimeout(entry.reread);
    entry.retry = null;
    entry.joining = entry.unsaid = entry.again = entry.members.known = false;
  }

  /** A connection to a Belfry server that comes back by itself, with all its subscriptions. */
  class Belfry {
    #url;
    #state = 'disconnected';
    #listeners = new Map(); // event → Set of functions
    #channels = new Map(); // channel → its entry: see #entry
    #client = '';
    #user = '';
    #tokens;

    #transport = null; // null while we wait for the next try, and after the end
    #open = false; // the transport takes frames
    #outbox = []; // lines for the next frame
    #commands = new Map(); // id → {method, done, timer}, unanswered
    #lastID = 0;

    #failures = 0; // since the last success
    #trying = false; // a token is asked for, or there is a transport
    #retry = null; // timer of the next try
    #watchdog = null; // timer that ends a silent connection
    #silence = 0; // milliseconds without a frame that are too many; 0: any number is fine
    #pong = false; // the server wants its pings answered
    #most = MESSAGE_MAX; // bytes that the server takes in one message
    #following = null; // ends our listening to what happens to the page

    /**
     * Connects as soon as the present task is done.
     * @param {string} [url] the server: `wss://host`, `https://host`, a full address
     *   or a path; what ends with a slash is where its pages are, as `https://host/live/`.
     *   Default: this page's host.
     * @param {Credentials} [credentials] by what we say who we are; none: nobody in particular
     * @throws {TypeError} when it is no such address
     */
    constructor(url, credentials = {}) {
      this.#url = endpoint(url);
      this.#tokens = new Tokens(credentials);
      this.#retry = setTimeout(() => this.connect());
    }

    /** The state as of now: 'connecting', 'connected' or 'disconnected'. */
    get state() {
      return this.#state;
    }

    /** This connection's id, by which it is known among members; empty while not connected. */
    get client() {
      return this.#client;
    }

    /** The ID of the user that our token says; empty while not connected, and for nobody in particular. */
    get user() {
      return this.#user;
    }

    /** What the connection goes over: 'websocket' or, with websocket.js, 'events', 'stream' or 'poll'; empty while there is none. */
    get transport() {
      return this.#open ? this.#transport.name : '';
    }

    /**
     * Listens to an event:
     *
     * - `state`, with a {@link State}, at each change of the connection;
     * - `subscribed`, with `{channel, recovered, missed, …}`, each time the server
     *   confirms a subscription, so again after every reconnect. When `recovered`,
     *   the `missed` messages have just been handed to the listeners; when only
     *   `was_recovering`, what was published meanwhile cannot be had;
     * - `unsubscribed`, with `{channel, code, reason}`, when the server refuses or
     *   ends one for good. It is gone then: subscribe again if you mean to. When
     *   nobody listens, the console has it;
     * - `message`, with a {@link Message}, for each message of a channel to which the
     *   server has subscribed us by itself, and nobody here has;
     * - `transport`, with `{transport}`, when a connection that is open goes on over
     *   another.
     *
     * @param {string} event
     * @param {function(object)} listener
     * @returns {function()} call it to listen no more
     */
    on(event, listener) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(listener);
      return () => this.#listeners.get(event).delete(listener);
    }

    /**
     * Subscribes to a channel, now or as soon as there is a connection, and again
     * after each reconnect. Any number of subscriptions to one channel share one
     * at the server.
     * @param {string} channel
     * @param {function(Message)} listener
     * @param {Options} [options]
     * @returns {{channel: string, unsubscribe: function(), presence: function(): Promise<Map<string, Member>>, setData: function(*)}}
     *
     * - `unsubscribe()` ends it; a second call is harmless.
     * - `presence()` asks who is on the channel; rejects as publish does.
     * - `setData(data)` changes what the others see of us: they see us leave and come
     *   at once. No message is lost by it as far back as the channel's history reaches,
     *   and none is doubled.
     */
    subscribe(channel, listener, options = {}) {
      const known = this.#channels.get(channel);
      const entry = known ?? this.#entry(channel);
      const subscription = {
        channel,
        listener,
        options,
        unsubscribe: () => this.#leave(entry, subscription),
        presence: async () => new Map(Object.entries((await this.call('presence', { channel })).presence ?? {})),
        setData: data => this.#tellData(entry, data),
      };
      entry.subscriptions.add(subscription);
      if ('data' in options) entry.data = options.data;
      const credentials = Boolean(options.token || options.getToken);
      if (credentials) {
        entry.tokens.rest();
        entry.tokens = new Tokens(options, channel);
      }
      if (!this.#open) return subscription;
      if (!known || (credentials && entry.unsaid)) this.#join(entry);
      else if (credentials || wishes(entry) !== entry.wishes) this.#renew(entry);
      else if (!entry.joining && !entry.retry) this.#readMembers(entry);
      return subscription;
    }

    /**
     * Publishes to a channel whose rules let clients do so.
     * @param {string} channel
     * @param {*} data anything that JSON can say
     * @returns {Promise<object>} resolves when the server has it; rejects with a
     *   {@link BelfryError} when it refuses, does not answer within 5 s, or when there
     *   is no connection: nothing is kept for later. What is larger than the server
     *   takes is not sent
     */
    publish(channel, data) {
      return this.call('publish', { channel, data });
    }

    /**
     * Sends any command of the protocol: 'presence_stats', 'history', 'rpc' …
     * @param {string} method
     * @param {object} [params]
     * @returns {Promise<object>} the result; rejects as publish does
     */
    call(method, params = {}) {
      return new Promise((resolve, reject) => {
        if (this.#state !== 'connected') {
          throw new BelfryError(CODE_CLIENT, `cannot ${method}: not connected to the server (${this.#state})`);
        }
        this.#command(method, params, (error, result) => (error ? reject(error) : resolve(result)));
      });
    }

    /** Tries at once: instead of waiting for the next try, or after the end. Harmless while connected or trying. */
    connect() {
      if (this.#trying) return;
      this.#trying = true;
      this.#stopWaiting();
      this.#follow(globalThis);
      this.#tellState({ state: 'connecting', attempt: this.#failures + 1 });
      this.#tokens.take(error => {
        if (!this.#trying || this.#transport) return; // a listener has ended it
        if (!error) this.#dial();
        else if (error.temporary) this.#lost(error.code, error.message);
        else this.#end(error.code, error.message);
      });
    }

    #dial() {
      this.#watch(OPEN_TIMEOUT, 'the server cannot be reached');
      try {
        this.#transport = openWebSocket(this.#url, {
          opened: () => this.#opened(),
          frame: text => this.#frame(text),
          moved: () => this.#open && this.#emit('transport', { transport: this.transport }),
          closed: (code, reason) => this.#lost(code, reason),
        });
      } catch (error) {
        this.#end(CODE_CLIENT, error.message);
      }
    }

    /** Drops the connection, for the reason given, and comes back as after any loss. */
    reconnect(reason = 'reconnect was asked for') {
      if (this.#trying) this.#lost(CODE_CLIENT, reason);
    }

    /** Ends the connection and does not come back until `connect`. Subscriptions are kept for then. */
    disconnect() {
      this.#end(CODE_CLIENT, ASKED);
    }

    // -- The connection ----------------------------------------------------

    /**
     * Minds what happens to the page, until the end. A browser may keep one that was
     * left, asleep and with its connection open: the server would take us for present.
     */
    #follow(page) {
      if (this.#following) return;
      this.#following = new AbortController();
      const { signal } = this.#following;
      const hurry = () => {
        if (this.#retry !== null) this.connect();
      };
      page.addEventListener?.('online', hurry, { signal });
      page.addEventListener?.('pageshow', hurry, { signal });
      page.addEventListener?.('pagehide', () => {
        if (this.#trying) this.#lost(CODE_CLIENT, 'the page was left');
      }, { signal });
    }

    /**
     * Greets, and subscribes to everything in the same frame, but for what the server
     * subscribes us to by itself: of that it is told where we are.
     */
    #opened() {
      this.#open = true;
      const entries = [...this.#channels.values()];
      const known = entries.filter(({ offered, epoch }) => offered && epoch);
      const subs = Object.fromEntries(known.map(({ channel, epoch, offset }) => [channel, { recover: true, epoch, offset }]));
      const token = this.#tokens.token || undefined;
      this.#command('connect', { token, name: NAME, subs: known.length ? subs : undefined }, (error, result) => {
        if (!this.#open) return; // the connection was lost before, and that says why
        if (!error) this.#welcomed(result);
        else if (error.temporary || (error.code === CODE_TOKEN_EXPIRED && this.#tokens.drop())) this.#lost(error.code, error.message);
        else this.#end(error.code, error.message);
      });
      for (const entry of entries) if (!entry.offered) this.#join(entry);
    }

    #welcomed({ client, user = '', ping = 0, pong = false, subs = {}, max_message: most = MESSAGE_MAX, ...expiry }) {
      this.#failures = 0;
      this.#client = client;
      this.#user = user;
      this.#expire(expiry);
      this.#pong = pong;
      this.#most = most;
      this.#silence = ping && ping * 1000 + PING_GRACE;
      this.#listen();
      const gone = [...this.#channels.values()].filter(({ channel, offered }) => offered && !subs[channel]);
      this.#tellState({ state: 'connected', client, user });
      for (const [channel, result] of Object.entries(subs)) {
        if (this.#client === client) this.#adopt(channel, result);
      }
      for (const entry of gone) if (this.#client === client) this.#disown(entry);
    }

    /** Shows the server another token in time. If it does not take that, the next connection will hear why. */
    #expire(expiry) {
      this.#tokens.expire(expiry, (error, token) => {
        if (error) return this.#end(error.code, error.message);
        this.#command('refresh', { token }, (refused, result) => {
          if (!this.#open) return;
          if (!refused) return this.#expire(result);
          this.#tokens.drop();
          this.#lost(refused.code, refused.message);
        });
      });
    }

    #lost(code, reason) {
      if (code === CODE_CONNECTION_EXPIRED) this.#tokens.drop();
      if (isFinal(code)) return this.#end(code, reason);
      const retryIn = backoff(this.#failures++);
      this.#drop();
      this.#retry = setTimeout(() => this.connect(), retryIn);
      this.#tellState({ state: 'disconnected', code, reason, retryIn });
    }

    #end(code, reason) {
      this.#failures = 0;
      this.#drop();
      this.#following?.abort();
      this.#following = null;
      if (reason !== ASKED && !this.#listeners.get('state')?.size) console.warn(`belfry.js: the connection has ended for good: ${code} ${reason}`);
      this.#tellState({ state: 'disconnected', code, reason, retryIn: null });
    }

    /** Lets go of the transport and of all that hung on it. */
    #drop() {
      this.#stopWaiting();
      this.#tokens.rest();
      this.#transport?.close();
      this.#transport = null;
      this.#trying = false;
      this.#open = this.#pong = false;
      this.#silence = 0;
      this.#outbox = [];
      this.#client = this.#user = '';
      for (const entry of this.#channels.values()) rest(entry);

      const unanswered = [...this.#commands.values()];
      this.#commands.clear();
      this.#state = 'disconnected'; // before the callbacks: they may look
      for (const { method, timer, done } of unanswered) {
        clearTimeout(timer);
        done(new BelfryError(CODE_CLIENT, `connection lost before the answer to ${method}`));
      }
    }

    #stopWaiting() {
      clearTimeout(this.#retry);
      clearTimeout(this.#watchdog);
      this.#retry = this.#watchdog = null;
    }

    #watch(milliseconds, reason) {
      clearTimeout(this.#watchdog);
      this.#watchdog = setTimeout(() => this.#lost(CODE_TIMEOUT, reason), milliseconds);
    }

    /** Starts the ping watch anew: called for each frame. */
    #listen() {
      if (this.#silence) this.#watch(this.#silence, `nothing from the server for ${this.#silence / 1000} s`);
      else clearTimeout(this.#watchdog);
    }

    #tellState(state) {
      this.#state = state.state;
      this.#emit('state', state);
    }

    #emit(event, value) {
      for (const listener of [...this.#listeners.get(event) ?? []]) tell(listener, value);
    }

    // -- Commands up ---------------------------------------------------------

    /** Sends a command; `done(error, result)` is called exactly once. */
    #command(method, params, done) {
      const id = ++this.#lastID;
      const line = JSON.stringify({ id, [method]: params });
      const size = sizeOf(line);
      if (size > this.#most) {
        // The server would close the connection, and the next, when it came again.
        const error = new BelfryError(CODE_LIMIT, `${method} has ${size} bytes, the server takes at most ${this.#most} in one message (limits.message)`);
        queueMicrotask(() => done(error));
        return;
      }
      const timer = setTimeout(() => {
        this.#commands.delete(id);
        done(new BelfryError(CODE_TIMEOUT, `no answer to ${method} within ${REPLY_TIMEOUT / 1000} s`));
      }, REPLY_TIMEOUT);
      this.#commands.set(id, { method, done, timer });
      this.#send(line);
    }

    /** Queues a line; all lines of one task leave together. */
    #send(line) {
      this.#outbox.push(line);
      if (this.#outbox.length === 1) queueMicrotask(() => this.#flush());
    }

    #flush() {
      const most = Math.min(FRAME_MAX, this.#most);
      let frame = '';
      let size = 0;
      for (const line of this.#outbox.splice(0)) {
        const more = sizeOf(line) + 1;
        if (frame && size + more > most) {
          this.#transport.send(frame);
          frame = '';
          size = 0;
        }
        frame += frame ? `\n${line}` : line;
        size += more;
      }
      if (frame) this.#transport.send(frame);
    }

    // -- Replies and pushes down -----------------------------------------------

    #frame(text) {
      const transport = this.#transport;
      if (this.#state === 'connected') this.#listen();
      for (const line of text.split('\n')) {
        if (this.#transport !== transport) return; // a line before ended it
        if (line) this.#line(line);
      }
    }

    #line(line) {
      let reply;
      try {
        reply = JSON.parse(line) ?? {};
      } catch (error) {
        // It may be one message. To come back would bring the same once more.
        console.warn(`belfry.js: skipped ${line.length} characters from the server that cannot be read: ${error.message}`);
        return;
      }
      if (reply.push) this.#push(reply.push);
      else if (reply.id) this.#answer(reply);
      else if (this.#pong) this.#send('{}'); // an empty object is a ping
    }

    #answer(reply) {
      const command = this.#commands.get(reply.id);
      if (!command) return; // answered too late: it has been given up
      this.#commands.delete(reply.id);
      clearTimeout(command.timer);
      const { error } = reply;
      if (error) command.done(new BelfryError(error.code, error.message, error.temporary));
      else command.done(null, reply[command.method] ?? {});
    }

    /** Pushes of unknown kinds are ignored: a newer server may send them. */
    #push({ channel, pub, join, leave, subscribe, unsubscribe, disconnect }) {
      const entry = this.#channels.get(channel);
      if (pub && entry) {
        this.#deliver(entry, pub);
      } else if (join && entry) {
        this.#came(entry, join.info);
      } else if (leave && entry) {
        this.#went(entry, leave.info);
      } else if (unsubscribe && entry) {
        if (unsubscribe.code === CODE_SUBSCRIPTION_EXPIRED) entry.tokens.drop();
        if (unsubscribe.code < 2500) this.#forget(entry, unsubscribe.code, unsubscribe.reason);
        else if (entry.joining) entry.again = true;
        else this.#join(entry);
      } else if (subscribe) {
        this.#adopt(channel, subscribe);
      } else if (disconnect) {
        this.#lost(disconnect.code, disconnect.reason);
      }
    }

    // -- Subscriptions -----------------------------------------------------------

    /** Notes a channel that is subscribed to from now on. */
    #entry(channel) {
      const entry = {
        channel,
        subscriptions: new Set(),
        epoch: '', // and offset: where we are
        offset: 0,
        data: undefined, // what the others see of us
        tokens: new Tokens({}, channel),
        wishes: '', // what the server was last asked for, beside messages
        server: false, // the server has made the subscription, by itself or for a backend
        offered: false, // it has done so before, and may do so each time that we connect
        insisted: false, // we have subscribed once more for what the server's does not bring
        joining: false, // a subscribe is not answered yet
        unsaid: false, // … and not said either: it waits for a token
        again: false, // after which there is to be another
        failures: 0,
        retry: null, // timer of the next subscribe
        members: new Members(),
        reread: null, // timer of the next reading of the members
      };
      this.#channels.set(channel, entry);
      return entry;
    }

    /** Whether an entry is still the one of its channel, on a connection that stands. */
    #stands(entry) {
      return this.#open && this.#channels.get(entry.channel) === entry;
    }

    /** Hands a message to all who listen, and keeps its position to recover from. */
    #deliver(entry, pub) {
      if (pub.offset) entry.offset = pub.offset;
      if (!entry.subscriptions.size) this.#emit('message', { channel: entry.channel, ...pub });
      for (const { listener } of [...entry.subscriptions]) tell(listener, { channel: entry.channel, ...pub });
    }

    /** Asks the server for a channel, once there is a token for it where it needs one. */
    #join(entry) {
      entry.joining = entry.unsaid = true;
      entry.again = false;
      entry.retry = null;
      entry.tokens.take((error, token) => {
        if (!this.#stands(entry)) return;
        entry.unsaid = false;
        if (!error) return this.#say(entry, token);
        entry.joining = false;
        if (error.temporary) this.#joinLater(entry);
        else this.#forget(entry, error.code, error.message);
      });
    }

    #joinLater(entry) {
      entry.retry = setTimeout(() => this.#join(entry), backoff(entry.failures++));
    }

    /** Asks the server for a channel, from the last position on where it has one. */
    #say(entry, token) {
      const { channel, epoch, offset, tokens } = entry;
      entry.wishes = wishes(entry);
      const position = epoch && { recover: true, epoch, offset };
      this.#command('subscribe', { channel, token: token || undefined, ...position, ...JSON.parse(entry.wishes) }, (error, result) => {
        if (!this.#stands(entry)) return;
        entry.joining = false;
        if (!error) {
          entry.failures = 0;
          entry.server = entry.insisted = false;
          this.#prolong(entry, result);
          this.#joined(entry, result);
        } else if (error.code === CODE_ALREADY_SUBSCRIBED) {
          this.#shared(entry);
        } else if (error.code === CODE_TIMEOUT) {
          this.#lost(error.code, error.message);
        } else if (error.temporary || (error.code === CODE_TOKEN_EXPIRED && tokens.drop())) {
          this.#joinLater(entry);
        } else {
          this.#forget(entry, error.code, error.message);
        }
      });
    }

    /** Shows the server another token for a channel in time. */
    #prolong(entry, expiry) {
      entry.tokens.expire(expiry, (error, token) => {
        if (!this.#stands(entry)) return;
        if (error) return this.#leaveFor(entry, error);
        this.#command('sub_refresh', { channel: entry.channel, token }, (refused, result) => {
          if (!this.#stands(entry)) return;
          if (!refused) return this.#prolong(entry, result);
          if (!refused.temporary) return this.#leaveFor(entry, refused);
          entry.tokens.drop();
          this.#prolong(entry, { expires: true, ttl: backoff(entry.failures++) / 1000 });
        });
      });
    }

    /** Ends a subscription for good that the server still has. */
    #leaveFor(entry, { code, message }) {
      this.#quit(entry);
      this.#forget(entry, code, message);
    }

    /** Notes the position, and hands over what was missed. */
    #joined(entry, { publications = [], ...result }) {
      const { recovered, epoch = '', offset = 0 } = result;
      // What a subscription before has brought since the position was sent is here twice.
      const reached = recovered && epoch === entry.epoch ? entry.offset : 0;
      const missed = publications.filter(pub => !(pub.offset <= reached));
      entry.epoch = epoch;
      entry.offset = Math.max(reached, offset);
      for (const pub of missed) this.#deliver(entry, pub);
      this.#emit('subscribed', { channel: entry.channel, ...result, missed: missed.length });
      if (!this.#stands(entry)) return; // a listener has ended it
      if (entry.again) this.#renew(entry);
      else this.#readMembers(entry);
    }

    /** Takes a subscription that the server has made for ours. */
    #adopt(channel, result) {
      const entry = this.#channels.get(channel) ?? this.#entry(channel);
      entry.server = entry.offered = true;
      entry.insisted = false;
      if (entry.joining) return this.#joined(entry, result); // it is asked for as well: see #shared
      clearTimeout(entry.retry);
      entry.retry = null;
      entry.wishes = NO_WISHES;
      this.#joined(entry, result);
      if (this.#stands(entry)) this.#insist(entry);
    }

    /** Notes that we have asked for what the server has subscribed us to already. */
    #shared(entry) {
      entry.failures = 0;
      entry.wishes = NO_WISHES;
      if (!entry.server) this.#joined(entry, {}); // we were not told where it began
      entry.server = true;
      if (this.#stands(entry)) this.#insist(entry);
    }

    /** Subscribes by ourselves, once, where the server's subscription lacks what is wished for. */
    #insist(entry) {
      if (entry.insisted || (wishes(entry) === NO_WISHES && !entry.again)) return;
      entry.insisted = true;
      this.#renew(entry);
    }

    /** Goes on without a subscription that the server does not make any more. */
    #disown(entry) {
      entry.server = entry.offered = false;
      if (this.#channels.get(entry.channel) !== entry) return;
      if (entry.subscriptions.size) return this.#join(entry);
      this.#channels.delete(entry.channel);
      this.#emit('unsubscribed', { channel: entry.channel, code: CODE_CLIENT, reason: 'the server does not subscribe us any more' });
    }

    /** Subscribes once more, from the position where we are, with the wishes of now. */
    #renew(entry) {
      if (!this.#stands(entry) || entry.retry) return; // it is still to be asked for
      entry.again = entry.joining;
      if (entry.joining) return;
      clearTimeout(entry.reread);
      this.#quit(entry);
      this.#join(entry);
    }

    #tellData(entry, data) {
      entry.data = data;
      if (wishes(entry) !== entry.wishes) this.#renew(entry);
    }

    #quit({ channel }) {
      this.#command('unsubscribe', { channel }, error => {
        // Only a new connection makes sure that the server knows, too.
        if (error && this.#open) this.#lost(error.code, error.message);
      });
    }

    /** Takes one subscription off a channel, and the channel off the server after the last, unless it is the server's own. */
    #leave(entry, subscription) {
      entry.subscriptions.delete(subscription);
      if (entry.server || entry.subscriptions.size || this.#channels.get(entry.channel) !== entry) return;
      const said = !entry.unsaid;
      rest(entry);
      this.#channels.delete(entry.channel);
      if (this.#open && said) this.#quit(entry);
    }

    #forget(entry, code, reason) {
      rest(entry);
      this.#channels.delete(entry.channel);
      if (!this.#listeners.get('unsubscribed')?.size) console.warn(`belfry.js: no subscription to ${JSON.stringify(entry.channel)}: ${code} ${reason}`);
      this.#emit('unsubscribed', { channel: entry.channel, code, reason });
      this.#tellMembers(entry, null, true);
    }

    // -- Members -------------------------------------------------------------------

    #came(entry, member) {
      entry.members.join(member);
      for (const { options } of [...entry.subscriptions]) tell(options.onJoin, member);
      if (entry.members.known) this.#tellMembers(entry, entry.members.clients, false);
    }

    #went(entry, member) {
      entry.members.leave(member);
      for (const { options } of [...entry.subscriptions]) tell(options.onLeave, member);
      if (entry.members.known) this.#tellMembers(entry, entry.members.clients, false);
    }

    #untold(entry) {
      entry.members.known = false;
      this.#tellMembers(entry, null, true);
    }

    #tellMembers(entry, members, whole) {
      for (const { options } of [...entry.subscriptions]) tell(options.onMembers, members, whole);
    }

    /** Reads who is on a channel, and again now and then: a join or a leave that is lost is not recovered, as messages are. */
    #readMembers(entry) {
      if (![...entry.subscriptions].some(({ options }) => options.onMembers)) return;
      clearTimeout(entry.reread);
      const take = entry.members.ask();
      const again = wait => {
        clearTimeout(entry.reread);
        entry.reread = setTimeout(() => this.#readMembers(entry), wait);
      };
      this.#command('presence', { channel: entry.channel }, (error, { presence = {} } = {}) => {
        if (!this.#stands(entry)) return;
        if (error?.temporary) return again(backoff(entry.failures++));
        if (error) return this.#untold(entry);
        if (!take(presence)) return; // asked for anew meanwhile
        entry.failures = 0;
        this.#tellMembers(entry, entry.members.clients, true);
        again(Math.max(MEMBERS_EVERY, MEMBER_TIME * entry.members.clients.size) * (1 + Math.random()));
      });
    }
  }

  Belfry.Error = BelfryError;
  // The first copy stays when a page loads it twice, as a script and as a module.
  globalThis.Belfry ??= Belfry;
})();
