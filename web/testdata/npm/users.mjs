// The published client library with tokens. The arguments are the address of a server
// and that of a backend that makes tokens: GET /?user=…&channel=…&ttl=SECONDS. Each case
// that ends as it should is a line on standard output.
import { Centrifuge, UnauthorizedError } from 'centrifuge';
import WebSocket from 'ws';

const [server, backend] = process.argv.slice(2);
const token = async query => (await fetch(`${backend}/?${new URLSearchParams(query)}`)).text();
const once = (emitter, event) => new Promise(heard => emitter.once(event, heard));
const options = { websocket: WebSocket, minReconnectDelay: 10, maxReconnectDelay: 50, timeout: 60000, maxServerPingDelay: 60000 };
const open = more => {
  const client = new Centrifuge(server, { ...options, ...more });
  client.on('error', () => {});
  client.connect();
  return client;
};

// counted returns a function that gets tokens, and a promise that it was called so often.
const counted = (times, query) => {
  let calls = 0, enough;
  const reached = new Promise(done => enough = done);
  return [async () => {
    if (++calls === times) enough();
    return token(typeof query === 'function' ? query(calls) : query);
  }, reached];
};

const cases = {
  async 'refreshes the connection'() {
    const [getToken, twice] = counted(2, { user: 'ada', ttl: 1 });
    const client = open({ getToken });
    client.on('disconnected', ({ code }) => { throw new Error(`disconnected with ${code}`); });
    await once(client, 'connected');
    await twice;
    return client.removeAllListeners('disconnected');
  },
  async 'refreshes a subscription'() {
    const client = open({ getToken: () => token({ user: 'ada', ttl: 60 }) });
    const [getToken, twice] = counted(2, { user: 'ada', channel: '$private', ttl: 1 });
    const subscription = client.newSubscription('$private', { getToken });
    subscription.on('unsubscribed', ({ code }) => { throw new Error(`unsubscribed with ${code}`); });
    subscription.subscribe();
    await once(subscription, 'subscribed');
    await twice;
    subscription.removeAllListeners('unsubscribed');
    return client;
  },
  async 'comes back from an expired token, and recovers'() {
    const [getToken, twice] = counted(2, n => ({ user: 'ada', ttl: n === 1 ? -60 : 60 }));
    const client = open({ getToken });
    await twice;
    await once(client, 'connected');
    const subscription = client.newSubscription('of:ada');
    subscription.subscribe();
    await once(subscription, 'subscribed');
    const first = once(subscription, 'publication');
    await subscription.publish(1);
    await first;
    client.disconnect();
    client.setToken(await token({ user: 'ada', ttl: -60 }));
    const other = open({ token: await token({ user: 'ada', ttl: 60 }) });
    await other.publish('of:ada', 2);
    other.disconnect();
    const missed = once(subscription, 'publication');
    client.connect();
    const { data, info } = await missed;
    if (data !== 2 || info.user !== 'ada') throw new Error(`missed ${JSON.stringify([data, info])}`);
    return client;
  },
  async 'asks again for an expired token of a subscription'() {
    const client = open({ token: await token({ user: 'ada', ttl: 60 }) });
    const [getToken, twice] = counted(2, n => ({ user: 'ada', channel: '$private', ttl: n === 1 ? -60 : 60 }));
    const subscription = client.newSubscription('$private', { getToken, minResubscribeDelay: 10, maxResubscribeDelay: 50 });
    subscription.on('error', () => {});
    subscription.subscribe();
    await twice;
    await once(subscription, 'subscribed');
    return client;
  },
  async 'stays away with a bad token'() {
    const client = open({ token: 'forged' });
    const { code } = await once(client, 'disconnected');
    if (code !== 3500) throw new Error(`disconnected with ${code}`);
    return client;
  },
  async 'stays away with the token of another channel'() {
    const client = open({ token: await token({ user: 'ada', ttl: 60 }) });
    const subscription = client.newSubscription('$private', { token: await token({ user: 'ada', channel: 'other', ttl: 60 }) });
    subscription.subscribe();
    const { code } = await once(client, 'disconnected');
    if (code !== 3500) throw new Error(`disconnected with ${code}`);
    return client;
  },
  async 'stays away when its backend says so'() {
    const client = open({ getToken: async () => { throw new UnauthorizedError(''); } });
    await once(client, 'disconnected');
    return client;
  },
  async 'is known by its user'() {
    const client = open({ token: await token({ user: 'ada', ttl: 60 }) });
    const subscription = client.newSubscription('user');
    subscription.subscribe();
    await once(subscription, 'subscribed');
    const { clients } = await subscription.presence();
    const { numUsers } = await subscription.presenceStats();
    const users = Object.values(clients).map(c => c.user);
    if (`${users}` !== 'ada' || numUsers !== 1) throw new Error(`${users}, ${numUsers}`);
    return client;
  },
};

await Promise.all(Object.entries(cases).map(async ([name, run]) => {
  try {
    (await run()).disconnect();
    console.log(name);
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
}));
process.exit();
