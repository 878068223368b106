// A backend in TypeScript that is compiled against what openapi-typescript makes of
// the document, and not run: every call with what it has to say, and what comes back.
import type { components, operations, paths } from './openapi';

type Body<Name extends keyof operations> =
  operations[Name] extends { requestBody: { content: { 'application/json': infer B } } } ? B : never;
type Result<Name extends keyof operations> =
  operations[Name] extends { responses: { 200: { content: { 'application/json': { result: infer R } } } } } ? R : never;

declare function call<Name extends keyof operations>(name: Name, body: Body<Name>): Promise<Result<Name>>;

async function backend(): Promise<void> {
  const { offset, epoch } = await call('publish', {
    channel: 'news', data: { v: 1 }, tags: { k: 'v' }, idempotency_key: 'i', skip_history: false, exclude: 'c',
  });
  await call('publish', { channel: 'news', b64data: 'MQ==' });
  const { responses } = await call('broadcast', { channels: ['a', 'b'], data: [1] });
  for (const reply of responses) {
    if ('error' in reply) console.log(reply.error.code, reply.error.message, reply.error.temporary);
    else console.log(reply.result.offset);
  }
  const { replies } = await call('batch', { parallel: true, commands: [{ publish: { channel: 'a', data: 1 } }] });
  for (const reply of replies) if ('publish' in reply) console.log(reply.publish?.offset);
  await call('subscribe', {
    channel: 'news', client: 'c', info: { name: 'Ada' }, data: 1, recover_since: { offset: offset ?? 0, epoch: epoch ?? '' },
  });
  await call('unsubscribe', { channel: 'news', client: 'c' });
  await call('disconnect', { client: 'c', whitelist: ['d'], disconnect: { code: 4000, reason: 'bye' } });
  await call('subscribe', { channel: 'news', user: 'ada' });
  await call('refresh', { user: 'ada', expire_at: 4000000000 });
  const { presence } = await call('presence', { channel: 'news' });
  const people: string[] = Object.values(presence).map(({ client, user }) => client + user);
  const { num_clients, num_users } = await call('presence_stats', { channel: 'news' });
  const history = await call('history', { channel: 'news', limit: -1, since: { offset: 1, epoch: 'e' }, reverse: true });
  const last: number = history.publications[0].offset + history.offset + num_clients + num_users;
  await call('history_remove', { channel: 'news' });
  const { channels } = await call('channels', { pattern: 'n*' });
  const { nodes } = await call('info', {});
  const uid: string = nodes[0].uid + channels['news'].num_clients;
  const { data } = await call('rpc', { method: 'm', params: [1] });
  console.log(people, last, uid, data);

  // @ts-expect-error: a channel has to be named
  await call('publish', { data: 1 });
  // @ts-expect-error: there is no such field
  await call('publish', { channel: 'news', data: 1, delta: true });
  // @ts-expect-error: a number is no name
  await call('history', { channel: 7 });
}

const failure: components['schemas']['Failure'] = { error: { code: 107, message: 'channel: it is empty' } };
const path: keyof paths = '/api/publish';
console.log(backend, failure, path);
