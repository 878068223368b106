// A Centrifuge client by remote control: it does what it is told, and tells what
// it sees, each in one line of JSON. This module is the same in Node and in a
// page.
//
//   told   {"id": 1, "call": "publish", "channel": "chat", "args": ["hello"]}
//   tells  {"id": 1, "result": {}}  or  {"id": 1, "error": {"code": 103, "message": "permission denied"}}
//          {"event": "publication", "channel": "chat", "detail": {"data": "hello", "offset": 1}}
//
// An order calls a method of the channel's subscription; without a channel, of
// the client. newSubscription of the client makes the subscription, whose options
// may have a "state" for its getState to return.

const clientEvents = ['connecting', 'connected', 'disconnected', 'error',
  'subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave'];
const subscriptionEvents = ['subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave', 'error'];

// dial returns the arguments for a client of an address: a URL, or a JSON object
// with "transports" for it to try and more "options".
export function dial(address, options) {
  const { transports, options: more } = address.startsWith('{') ? JSON.parse(address) : { transports: address };
  return [transports, { ...JSON.parse(options), ...more }];
}

// remote returns the function that takes orders.
export function remote(client, tell) {
  const say = line => tell(JSON.stringify(line));
  const watch = (emitter, events, channel) => events.forEach(event =>
    emitter.on(event, detail => say({ event, channel: channel ?? detail.channel, detail })));
  const carryOut = async ({ call, channel, args }) => {
    const target = channel ? client.getSubscription(channel) : client;
    const state = args?.[1]?.state;
    if (state) args[1].getState = async () => state;
    const result = await target[call](...args ?? []);
    if (call === 'newSubscription') watch(result, subscriptionEvents, args[0]);
    else return result;
  };
  watch(client, clientEvents);
  return async line => {
    const { id, ...order } = JSON.parse(line);
    try {
      say({ id, result: await carryOut(order) });
    } catch (error) {
      say({ id, error: { code: error.code, message: error.message } });
    }
  };
}
