from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer


class BoardConsumer(AsyncWebsocketConsumer): ...


class DeviceConsumer(AsyncJsonWebsocketConsumer): ...
