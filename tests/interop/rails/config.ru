# frozen_string_literal: true

# Channels on a real Action Cable server, without a Rails application around it.
#
# REDIS_URL is the pub/sub server. Forgery protection is on, as in production: a request without Origin gets a 404.

require "json"
require "logger"
require "openssl"
require "active_support"
require "active_support/rails"
require "active_support/core_ext/hash/indifferent_access"
require "active_support/security_utils"
require "action_dispatch"
require "action_cable"

PERFORMED = Hash.new { |runs, run| runs[run] = Queue.new }
# A Hash with a default block is filled under this lock: channel actions run on several threads.
PERFORMED_LOCK = Mutex.new

# JSON Web Tokens (RFC 7519) signed with HS256; the usual gem is not among the packages that the tests install.
module WebToken
  def self.verify(token, secret)
    head, body, signature, *more = token.split(".")
    return unless signature && more.empty? && JSON.parse(decode(head))["alg"] == "HS256"

    expected = OpenSSL::HMAC.digest("SHA256", secret, "#{head}.#{body}")
    return unless ActiveSupport::SecurityUtils.secure_compare(expected, decode(signature))

    claims = JSON.parse(decode(body))
    claims if Time.now.to_f < claims["exp"]
  rescue ArgumentError, JSON::ParserError
    nil
  end

  def self.decode(text)
    text.tr("-_", "+/").ljust((text.size + 3) / 4 * 4, "=").unpack1("m0")
  end
end

module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :user

    def connect
      return connect_member if request.path == "/members"

      token = request.params["token"] || request.headers["X-Token"] || request.cookies["token"]
      reject_unauthorized_connection if token == "wrong"
      self.user = request.params["user"] || "somebody"
    end

    private

    def connect_member
      bearer = request.headers["Authorization"].to_s[/\ABearer (.+)\z/, 1]
      claims = WebToken.verify(bearer || request.params["jwt"].to_s, ENV.fetch("JWT_SECRET"))
      return reject_unauthorized_connection unless claims

      self.user = JSON.parse(claims["ext"])["user"]
    end
  end
end

class EchoChannel < ActionCable::Channel::Base
  def echo(data)
    transmit data.except("action")
  end

  def value(data)
    transmit data["value"]
  end

  def burst(data)
    data["count"].times { |number| transmit number }
  end
end

class RejectingChannel < ActionCable::Channel::Base
  def subscribed
    reject
  end
end

class GreetingChannel < ActionCable::Channel::Base
  def subscribed
    transmit({ "greeting" => "before the confirmation" })
  end
end

class RoomChannel < ActionCable::Channel::Base
  def subscribed
    stream_from "room:#{params[:room]}"
  end

  def speak(data)
    ActionCable.server.broadcast("room:#{params[:room]}", data["text"])
  end
end

class CounterChannel < ActionCable::Channel::Base
  def count(data)
    PERFORMED_LOCK.synchronize { PERFORMED[params[:run].to_s] } << data["number"]
  end
end

ActionCable.server.config.tap do |config|
  config.logger = Logger.new($stdout, level: Logger::INFO)
  config.cable = { "adapter" => "redis", "url" => ENV.fetch("REDIS_URL") }.with_indifferent_access
  config.connection_class = -> { ApplicationCable::Connection }
end

json = ->(value) { [200, { "Content-Type" => "application/json" }, [JSON.generate(value)]] }

map("/cable") { run ActionCable.server }
map("/members") { run ActionCable.server }

# For the tests: is the server up, what did it see, and let it speak by itself.
map("/up") { run ->(_env) { json.("up") } }

map "/performed" do
  run lambda { |env|
    queue = PERFORMED_LOCK.synchronize { PERFORMED[Rack::Request.new(env).params["run"]] }
    numbers = Array.new(queue.size) { queue.pop }
    numbers.each { |number| queue << number }
    json.(numbers)
  }
end

map("/identifiers") { run ->(_env) { json.(ActionCable.server.connections.flat_map { |one| one.subscriptions.identifiers }) } }

map "/broadcast" do
  run lambda { |env|
    request = Rack::Request.new(env)
    ActionCable.server.broadcast(request.params["stream"], JSON.parse(request.body.read))
    json.("sent")
  }
end

map "/disconnect" do
  run lambda { |env|
    ActionCable.server.disconnect(user: Rack::Request.new(env).params["user"])
    json.("asked")
  }
end
