# frozen_string_literal: true

# Channels on a real Action Cable server, without a Rails application around it.
#
# REDIS_URL is the pub/sub server. Forgery protection is on, as in production: a request without Origin gets a 404.

require "json"
require "logger"
require "active_support"
require "active_support/rails"
require "active_support/core_ext/hash/indifferent_access"
require "action_dispatch"
require "action_cable"

PERFORMED = Hash.new { |runs, run| runs[run] = Queue.new }
# A Hash with a default block is filled under this lock: channel actions run on several threads.
PERFORMED_LOCK = Mutex.new

module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :user

    def connect
      token = request.params["token"] || request.headers["X-Token"] || request.cookies["token"]
      reject_unauthorized_connection if token == "wrong"
      self.user = request.params["user"] || "somebody"
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
