// The remote controlled client in Node: orders on standard input, what it tells
// on standard output. The arguments are the server's address and the client's
// options. It ends with its input.
import { createInterface } from 'node:readline';
import { Centrifuge as InJSON } from 'centrifuge';
import { Centrifuge as InProtobuf } from 'centrifuge/build/protobuf';
import EventSource from 'eventsource';
import WebSocket from 'ws';
import { dial, remote } from './remote.mjs';

const [endpoint, options] = dial(...process.argv.slice(2));
const Centrifuge = options.protocol === 'protobuf' ? InProtobuf : InJSON;
const client = new Centrifuge(endpoint, { ...options, websocket: WebSocket, eventsource: EventSource });
const order = remote(client, line => console.log(line));
createInterface({ input: process.stdin }).on('line', order).on('close', () => process.exit());
