// belfry.js with tokens, in Node and in a browser. The server knows users, and the
// backend makes tokens: GET /?user=…&channel=…&ttl=SECONDS. Each case that ends as it
// should is a line of the result. Tokens are changed for others when a thousandth of
// their time is over: see hasty.

/** The text of belfry.js with other times: a slow machine is no fault of its. */
export function hasty(text) {
  return text.replaceAll(/const (OPEN_TIMEOUT|REPLY_TIMEOUT) = [\d_]+/g, 'const $1 = 60_000')
    .replace('REFRESH_AT = 0.9', 'REFRESH_AT = 0.001').replace('REFRESH_BEFORE = 30_000', 'REFRESH_BEFORE = Infinity');
}

/** The Belfry of a text of belfry.js. */
export function load(text) {
  delete globalThis.Belfry;
  (0, eval)(text);
  return globalThis.Belfry;
}

export async function run(Belfry, server, backend) {
  const token = async (query, signal) => (await fetch(`${backend}/?${new URLSearchParams(query)}`, { signal })).text();
  const until = (belfry, event, wanted = () => true) => new Promise(heard => belfry.on(event, value => wanted(value) && heard(value)));
  const connected = belfry => until(belfry, 'state', ({ state }) => state === 'connected');
  const ended = belfry => until(belfry, 'state', ({ retryIn }) => retryIn === null);
  const want = (got, wanted) => {
    if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(wanted)}`);
  };

  // counted is a getToken that counts its calls, and a promise that it was called so often.
  const counted = (times, query) => {
    let enough;
    const counter = { calls: 0, open: 0, most: 0, reached: new Promise(done => { enough = done; }) };
    counter.getToken = async ({ signal, channel }) => {
      const number = ++counter.calls;
      counter.most = Math.max(counter.most, ++counter.open);
      try {
        return await token(typeof query === 'function' ? await query(number) : { ...query, ...channel && { channel } }, signal);
      } finally {
        counter.open--;
        if (number === times) enough();
      }
    };
    return counter;
  };

  const cases = {
    async 'says who we are, by one call at a time'() {
      const counter = counted(1, { user: 'ada', ttl: 3_600_000 });
      const belfry = new Belfry(server, counter);
      for (let i = 0; i < 3; i++) {
        belfry.connect();
        belfry.disconnect();
      }
      belfry.connect();
      const { user } = await connected(belfry);
      want([user, belfry.user, counter.calls, counter.most], ['ada', 'ada', 1, 1]);
      belfry.reconnect();
      want(belfry.user, '');
      await connected(belfry);
      want([belfry.user, counter.calls], ['ada', 1]);
      return belfry;
    },
    async 'is nobody without a token'() {
      const belfry = new Belfry(server, { getToken: () => null });
      want((await connected(belfry)).user, '');
      return belfry;
    },
    async 'refreshes the connection before it expires'() {
      const counter = counted(3, { user: 'ada', ttl: 600 });
      const belfry = new Belfry(server, counter);
      const states = [];
      belfry.on('state', ({ state }) => states.push(state));
      await counter.reached;
      await belfry.publish('of:ada', 1);
      want(states, ['connecting', 'connected']);
      return belfry;
    },
    async 'refreshes a subscription before it expires'() {
      const belfry = new Belfry(server, { token: await token({ user: 'ada', ttl: 600 }) });
      const counter = counted(3, { user: 'ada', ttl: 600 });
      const events = [];
      for (const event of ['subscribed', 'unsubscribed']) belfry.on(event, () => events.push(event));
      belfry.subscribe('$private', () => {}, counter);
      await counter.reached;
      await belfry.call('presence', { channel: '$private' });
      want([events, counter.most], [['subscribed'], 1]);
      return belfry;
    },
    async 'gets another token for one that has expired'() {
      const counter = counted(2, n => ({ user: 'ada', ttl: n === 1 ? -60 : 600 }));
      const belfry = new Belfry(server, counter);
      const { code } = await until(belfry, 'state', ({ state }) => state === 'disconnected');
      await connected(belfry);
      want([code, counter.calls], [109, 2]);
      return belfry;
    },
    async 'gets another token for a channel when one has expired'() {
      const belfry = new Belfry(server, { token: await token({ user: 'ada', ttl: 600 }) });
      const counter = counted(2, n => ({ user: 'ada', channel: '$private', ttl: n === 1 ? -60 : 600 }));
      belfry.subscribe('$private', () => {}, counter);
      await until(belfry, 'subscribed');
      want(counter.calls, 2);
      return belfry;
    },
    async 'takes a token for a channel as it is'() {
      const belfry = new Belfry(server, { token: await token({ user: 'ada', ttl: 600 }) });
      belfry.subscribe('$private', () => {}, { token: await token({ user: 'ada', channel: '$private', ttl: 600 }) });
      await until(belfry, 'subscribed');
      return belfry;
    },
    async 'tries again when getToken fails'() {
      const counter = counted(2, n => (n === 1 ? Promise.reject(new Error('the backend is away')) : { user: 'ada', ttl: 600 }));
      const belfry = new Belfry(server, counter);
      const { reason } = await until(belfry, 'state', ({ state }) => state === 'disconnected');
      await connected(belfry);
      want([reason, counter.calls], ['no token: the backend is away', 2]);
      return belfry;
    },
    async 'ends when getToken says that it is for good'() {
      const belfry = new Belfry(server, { getToken() { throw new Belfry.Error(401, 'signed out'); } });
      const { code, reason } = await ended(belfry);
      want([code, reason], [401, 'no token: signed out']);
      return belfry;
    },
    async 'gives up a channel when getToken says so'() {
      const belfry = new Belfry(server, {});
      belfry.subscribe('$private', () => {}, { getToken() { throw Object.assign(new Error('not yours'), { temporary: false }); } });
      const [refusal] = await Promise.all([until(belfry, 'unsubscribed'), connected(belfry)]);
      want(refusal, { channel: '$private', code: 401, reason: 'no token: not yours' });
      await belfry.publish('anyone', 1);
      return belfry;
    },
    async 'leaves a channel for which there is no token yet'() {
      const belfry = new Belfry(server);
      await connected(belfry);
      let release;
      const subscription = belfry.subscribe('$private', () => {}, { getToken: () => new Promise(done => { release = done; }) });
      await Promise.resolve();
      subscription.unsubscribe();
      await belfry.publish('anyone', 1);
      release('late');
      await belfry.publish('anyone', 2);
      want(belfry.state, 'connected');
      return belfry;
    },
    async 'ends for a token that is bad, and for one that is over'() {
      const bad = new Belfry(server, { getToken: () => 'forged' });
      const over = new Belfry(server, { token: await token({ user: 'ada', ttl: -60 }) });
      want([(await ended(bad)).code, (await ended(over)).code], [3500, 109]);
      return bad;
    },
  };

  return Promise.all(Object.entries(cases).map(async ([name, run]) => {
    try {
      (await run()).disconnect();
      return name;
    } catch (error) {
      return `${name}: ${error.message}`;
    }
  }));
}

/** Takes a getToken that does not answer for hung: it is told so, and called again. */
export async function runImpatient(Belfry, server) {
  let calls = 0, aborted = 0;
  const belfry = new Belfry(server, {
    getToken: ({ signal }) => new Promise(() => {
      calls++;
      signal.addEventListener('abort', () => aborted++);
    }),
  });
  await new Promise(twice => belfry.on('state', ({ reason }) => {
    if (reason === 'no token from getToken within 0.05 s' && calls === 2) twice();
  }));
  belfry.disconnect();
  return `${calls} calls, ${aborted} aborted`;
}
