// An old client, in the JavaScript of its time. It says hello and waits for the
// echo and a date, says quit, and prints what it saw. The arguments are the
// package, the address, the origin and the version of the protocol.
var name = process.argv[2], address = process.argv[3], origin = process.argv[4], version = +process.argv[5];
var greeting = 'sp\u00e4te Gr\u00fc\u00dfe', echoed = false, dated = false;

function tell(line) { console.log(line); }

function heard(text, say) {
  if (text === greeting) echoed = true;
  else if (/ GMT$/.test(text)) dated = true;
  else if (!/^guest-\w+ left$/.test(text)) tell('strange: ' + text);
  if (echoed && dated) {
    echoed = dated = false;
    tell('echo and date');
    say('quit');
  }
}

// websocket-client is of 2010, and no Node that is to be had has the HTTP client
// of that year: this is it, over the one that came after it.
function createClient(port, host) {
  var client = new (require('events').EventEmitter)();
  client.end = function () {};
  client.request = function (path, headers) {
    var request = require('http').request({port: port, host: host, path: path, headers: headers});
    request.on('upgrade', function (response, socket, head) { client.emit('upgrade', response, socket, head); });
    request.on('error', function (err) { client.emit('error', err); });
    return request;
  };
  return client;
}

var clients = {
  'websocket-client': function () { // hixie-76
    require('http').createClient = createClient;
    var ws = new (require('websocket-client').WebSocket)(address, 'sample', {origin: origin});
    function say(text) { ws.send(text); }
    ws.addListener('open', function () { tell('open'); say(greeting); });
    ws.addListener('message', function (text) { heard(text, say); });
    ws.addListener('wserror', function (err) { tell('error ' + err); });
    ws.addListener('close', function () { tell('close'); process.exit(); });
  },
  ws: function () { // 8, with a key of 15 bytes, and 13
    var ws = new (require('ws'))(address, {protocolVersion: version, origin: origin});
    function say(text) { ws.send(text); }
    ws.on('open', function () { tell('open'); say(greeting); });
    ws.on('message', function (text) { heard(String(text), say); });
    ws.on('error', function (err) { tell('error ' + err); process.exit(); });
    ws.on('close', function (code, reason) { tell('close ' + code + ' ' + reason); process.exit(); });
  },
  websocket: function () { // 8 and 13, and wants its subprotocol back
    var client = new (require('websocket').client)({webSocketVersion: version});
    client.on('connectFailed', function (err) { tell('error ' + err); process.exit(); });
    client.on('connect', function (ws) {
      function say(text) { ws.sendUTF(text); }
      ws.on('message', function (m) { heard(m.utf8Data, say); });
      ws.on('close', function (code, reason) { tell('close ' + code + ' ' + reason); process.exit(); });
      tell('open');
      say(greeting);
    });
    client.connect(address, 'sample', origin);
  }
};

clients[name]();
