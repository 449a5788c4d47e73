/**
 * Where tokens are.
 *
 * Imports the handlers, the shapes and limits. Read by `rooms.ts`.
 */

import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../../limits.js';
import type { Parameters, Room } from '../route.js';
import { count, list, record, ref, text } from '../schemas.js';
import { createToken, describeToken, GRANT_BODY, listTokens, revokeToken } from './tokens.js';

const JSON_TYPE = 'application/json';
const ID: Parameters = { id: { schema: text(), description: 'The public part of a token, between its underscores.' } };
const TOKEN = { [JSON_TYPE]: ref('Token') };

export const TOKENS: Room = {
  name: 'tokens',
  description: 'Who may use the service, and for what.',
  routes: [
    {
      path: '/v1/tokens',
      methods: {
        GET: {
          id: 'listTokens',
          scope: 'admin',
          handler: listTokens,
          summary: 'A page of tokens, without their secrets, in the order of their ids.',
          query: {
            cursor: { schema: text(), description: 'From the page before.' },
            limit: {
              schema: { ...count(), minimum: 1, maximum: PAGE_SIZE_MAX, default: PAGE_SIZE_DEFAULT },
              description: `Tokens on the page, 1 to ${PAGE_SIZE_MAX}.`,
            },
          },
          answers: {
            200: {
              description: 'The page. Without `next` it is the last.',
              content: { [JSON_TYPE]: record({ tokens: list(ref('Token')), next: text() }, ['next']) },
            },
          },
        },
        POST: {
          id: 'createToken',
          scope: 'admin',
          handler: createToken,
          summary: 'Makes a token. Its text is given this once.',
          body: { description: 'What it is to allow.', required: true, content: { [JSON_TYPE]: GRANT_BODY } },
          answers: { 201: { description: 'The token, with its text in `token`.', content: TOKEN } },
        },
      },
    },
    {
      path: '/v1/tokens/{id}',
      parameters: ID,
      methods: {
        GET: {
          id: 'describeToken',
          scope: 'admin',
          handler: describeToken,
          summary: 'What a token allows, and whether it still counts.',
          answers: { 200: { description: 'The token, without its secret.', content: TOKEN } },
        },
        DELETE: {
          id: 'revokeToken',
          scope: 'admin',
          handler: revokeToken,
          summary: 'Revokes a token, at once.',
          query: { reason: { schema: text(), description: 'Stands in the event.' } },
          answers: { 200: { description: 'The token, revoked.', content: TOKEN } },
        },
      },
    },
  ],
};
