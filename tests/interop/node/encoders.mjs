// The encoders of @anycable/core's binary protocols, as AnyCable's own packages for them write and read.

import msgpack from "@ygoe/msgpack"
import protobuf from "protobufjs"

const SCHEMA = `
syntax = "proto3";
package action_cable;
enum Type {
  no_type = 0; welcome = 1; disconnect = 2; ping = 3; confirm_subscription = 4; reject_subscription = 5;
  confirm_history = 6; reject_history = 7;
}
enum Command { unknown_command = 0; subscribe = 1; unsubscribe = 2; message = 3; history = 4; pong = 5; whisper = 6; }
message StreamHistoryRequest { string epoch = 2; int64 offset = 3; }
message HistoryRequest { int64 since = 1; map<string, StreamHistoryRequest> streams = 2; }
message Message {
  Type type = 1; Command command = 2; string identifier = 3; string data = 4; bytes message = 5; string reason = 6;
  bool reconnect = 7; HistoryRequest history = 8;
}
message Reply {
  Type type = 1; string identifier = 2; bytes message = 3; string reason = 4; bool reconnect = 5; string stream_id = 6;
  string epoch = 7; int64 offset = 8; string sid = 9; bool restored = 10; repeated string restored_ids = 11;
}`

const { root } = protobuf.parse(SCHEMA, { keepCase: true })
const [Message, Reply] = ["Message", "Reply"].map((name) => root.lookupType(`action_cable.${name}`))
const [Type, Command] = ["Type", "Command"].map((name) => root.lookupEnum(`action_cable.${name}`))

class MsgpackEncoder {
  encode(message) {
    return msgpack.encode(message)
  }

  decode(data) {
    return msgpack.decode(new Uint8Array(data))
  }
}

class ProtobufEncoder {
  constructor(answers) {
    this.answers = answers
  }

  encode(message) {
    const whole = { ...message, command: Command.values[message.command] }
    if (whole.data && typeof whole.data !== "string") whole.data = JSON.stringify(whole.data)
    const wrong = Message.verify(whole)
    if (wrong) throw new Error(wrong)
    return Message.encode(whole).finish()
  }

  decode(data) {
    const read = this.answers.decode(new Uint8Array(data))
    read.type = Type.valuesById[read.type]
    if (read.message && read.message.length > 0) read.message = msgpack.decode(read.message)
    return read
  }
}

// Gives the encoder of a protocol; JSON needs none.
export function encoderOf(protocol) {
  const encoding = protocol.split("-").pop()
  if (encoding === "msgpack") return new MsgpackEncoder()
  if (encoding === "protobuf") return new ProtobufEncoder(protocol.includes("-ext-") ? Reply : Message)
  return undefined
}
