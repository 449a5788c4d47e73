/**
 * The OpenAPI 3.1 document, made from what the rooms declare.
 *
 * Imports the routes' types, the shapes and the problems. Called by `routes.ts` beside it and by the tests, which hold the service to it.
 */

import { ERROR_CODES, type ErrorCode } from '../../../errors.js';
import { statusOf } from '../problem.js';
import type { AnswerDescription, Content, Operation, Parameters, Room, Route, Schema } from '../route.js';
import { ref, SCHEMAS } from '../schemas.js';

/** Version of the API, by the rules of semantic versioning: `/v1` is its first part. */
const API_VERSION = '1.0.0';

/** The document of these rooms. */
export function openApiDocument(rooms: readonly Room[]): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'artifactstore',
      version: API_VERSION,
      summary: 'A content-addressed artifact store over HTTP.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: rooms.map(({ name, description }) => ({ name, description })),
    paths: Object.fromEntries(rooms.flatMap((room) => room.routes.map((route) => pathItem(room, route)))),
    components: {
      schemas: SCHEMAS,
      responses: { Problem: problemResponse() },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

/** A path that takes the rest is one parameter in OpenAPI too, though its slashes need no escaping here. */
function pathItem({ name }: Room, { path, parameters = {}, methods }: Route): [string, Schema] {
  const inPath = Object.entries(parameters).map(([parameter, { schema, description }]) => ({
    name: parameter,
    in: 'path',
    required: true,
    description,
    schema,
  }));
  const operations = Object.entries(methods).map(([method, one]) => [method.toLowerCase(), operation(name, one)]);
  const shared = inPath.length > 0 && { parameters: inPath };
  return [path.replace('*}', '}'), { ...shared, ...Object.fromEntries(operations) }];
}

function operation(room: string, { id, scope, summary, query, headers, body, answers, problems }: Operation): Schema {
  const parameters = [...optional('query', query), ...optional('header', headers)];
  const scopes = [scope].flat();
  return {
    operationId: id,
    tags: [room],
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { ...body, content: content(body.content) } }),
    responses: {
      ...responses(answers),
      default: problems ? response(problems) : { $ref: '#/components/responses/Problem' },
    },
    security: scopes.includes('public') ? [{}] : scopes.map((one) => ({ token: [one] })),
  };
}

function optional(place: 'query' | 'header', parameters: Parameters = {}): Schema[] {
  return Object.entries(parameters).map(([name, { schema, description }]) => ({
    name,
    in: place,
    description,
    schema,
  }));
}

function responses(answers: Operation['answers']): Schema {
  return Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)]));
}

function response({ description, content: shapes, headers }: AnswerDescription): Schema {
  const fields = Object.entries(headers ?? {}).map(([name, meaning]) => [
    name,
    { description: meaning, schema: { type: 'string' } },
  ]);
  return {
    description,
    ...(shapes && { content: content(shapes) }),
    ...(fields.length > 0 && { headers: Object.fromEntries(fields) }),
  };
}

/** OpenAPI 3.1 says bytes by leaving the schema out. */
function content(shapes: Content): Schema {
  return Object.fromEntries(Object.entries(shapes).map(([type, schema]) => [type, schema ? { schema } : {}]));
}

function problemResponse(): Schema {
  const codes = (Object.keys(ERROR_CODES) as ErrorCode[]).map(
    (code) => `- \`${code}\` (${statusOf(code)}): ${ERROR_CODES[code]}`,
  );
  return {
    description: `What was wrong. The codes, and the status that each has unless a request says more:\n\n${codes.join('\n')}`,
    content: { 'application/problem+json': { schema: ref('Problem') } },
  };
}
