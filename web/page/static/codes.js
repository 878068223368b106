// WebSocket close codes in words: RFC 6455, section 7.4.1, and the Centrifuge
// protocol. The peer's own reason comes first where it gives one.

const WORDS = {
  1000: 'closed normally',
  1001: 'going away',
  1002: 'protocol error',
  1003: 'kind of data not accepted',
  1005: 'closed without a code',
  1006: 'gone without a word',
  1007: 'text that is not UTF-8',
  1008: 'against the rules',
  1009: 'message too big',
  1011: 'fault in the server',
  1012: 'server restarts',
  1013: 'try later',
  3001: 'server is shutting down',
  3008: 'reading too slowly',
};

/** "1006, gone without a word"; codes below 100 are this client's own and have only their reason. */
export function closeWords(code, reason) {
  const words = reason || WORDS[code] || 'no reason given';
  return code < 100 ? words : `${code}, ${words}`;
}
