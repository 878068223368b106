// Drives the published Centrifuge client against a Belfry and prints what it
// saw, one JSON object on a line. The first argument is the endpoint's URL.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

const say = (what, detail = {}) => console.log(JSON.stringify({ what, ...detail }));

const client = new Centrifuge(process.argv[2], { websocket: WebSocket });
client.on('connected', ctx => say('connected', { transport: ctx.transport }));
client.on('error', ctx => say('error', { message: ctx.error.message }));

const chat = client.newSubscription('chat');
chat.on('subscribed', async () => {
  say('subscribed');
  await chat.publish({ text: 'hello' });
  say('published');
});
chat.on('publication', ctx => {
  say('publication', { data: ctx.data, own: ctx.info.client === client._client });
  chat.unsubscribe();
});
chat.on('unsubscribed', async () => {
  say('unsubscribed');
  try {
    await client.publish('news', 'not for clients');
  } catch (err) {
    say('refused', { code: err.code });
  }
  client.disconnect();
});
client.on('disconnected', ctx => {
  say('disconnected', { code: ctx.code });
  process.exit(0);
});

setTimeout(() => { say('too slow'); process.exit(1); }, 8000).unref();
chat.subscribe();
client.connect();
