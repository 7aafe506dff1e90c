// Loaded before a client (NODE_OPTIONS=--require): what goes to taskrouter.twilio.com goes to a local TaskRouter instead.
// Nothing of the client is changed; TASKROUTER_TEST_URL is the root of the service.
'use strict';

const http = require('http');
const https = require('https');
const here = new URL(process.env.TASKROUTER_TEST_URL);
const original = https.request;

https.request = function request(first, ...rest) {
  const options = typeof first === 'string' || first instanceof URL ? new URL(first) : first;
  const host = options.hostname || options.host;
  if (host !== 'taskrouter.twilio.com') {
    return original.call(https, first, ...rest);
  }
  const headers = { ...options.headers };
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() === 'host') {
      delete headers[name];
    }
  }
  const moved = {
    method: options.method,
    path: options.path || `${options.pathname}${options.search || ''}`,
    auth: options.auth,
    headers,
    protocol: 'http:',
    hostname: here.hostname,
    port: here.port,
  };
  return http.request(moved, ...rest);
};
https.get = function get(...args) {
  const request = https.request(...args);
  request.end();
  return request;
};
